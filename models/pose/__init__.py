"""Networks that find a person's joints."""
