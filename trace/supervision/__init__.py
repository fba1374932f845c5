"""Rules over dated tables: verdicts today; credit, blacklist, inspection, approval and recall clocks to come. Pure."""
