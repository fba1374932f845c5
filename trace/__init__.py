"""What a scan means, and the record of it: identifiers, EPCIS events, the ledger, the trace graph, and five doors."""
