"""The nouns of Kizu: masks, instances, samples, data sets, cards, inspectors. Nothing here needs torch."""
