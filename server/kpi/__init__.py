"""Key figures: each yields units; rates, intervals and drill-down are generic over units."""
