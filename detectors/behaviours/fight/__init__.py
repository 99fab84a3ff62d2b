"""Fights: violent movement of people close to each other."""
