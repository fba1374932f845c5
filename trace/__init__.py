"""What a scan means, and the record of it: identifiers, EPCIS events, the ledger, the trace graph, and the doors."""
