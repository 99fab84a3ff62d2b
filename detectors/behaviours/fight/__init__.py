"""Fights: people in violent movement close to each other."""
