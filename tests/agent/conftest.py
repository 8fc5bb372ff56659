"""The fixture that asks an agent."""

from tests.asking import ask as ask
