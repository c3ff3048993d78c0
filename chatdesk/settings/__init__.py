"""Settings: every option declared once, and the file the application's own are kept in."""
