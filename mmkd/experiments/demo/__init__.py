"""The demo: two models that come along, and a distillation of half a minute."""
