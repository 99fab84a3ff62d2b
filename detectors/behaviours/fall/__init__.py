"""Falls: a person who goes down and stays down."""
