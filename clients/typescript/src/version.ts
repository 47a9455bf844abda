/** The version of this client: that of the meetlink it was built for. */
export const VERSION = "0.1.0";
