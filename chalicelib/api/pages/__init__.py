"""The browser's pages: a connect link opens a session, the settings page shows and changes one user's connection."""
