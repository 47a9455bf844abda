"""The browser's pages. A connect link opens a session; the settings page shows and changes one user's connection."""
