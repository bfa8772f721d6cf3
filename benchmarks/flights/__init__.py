"""OpenFlights' airlines, airports and routes: three real, dirty files, declared, imported and queried."""
