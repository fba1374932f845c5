"""EPCIS 2.0 events and the CBV vocabulary."""
