"""Renders what it is handed for its readers; opens no database and no connection."""
