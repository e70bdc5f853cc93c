"""What every stage shares: contracts, ids, disk access, torch. A change here re-runs everything."""
