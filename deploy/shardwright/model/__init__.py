"""The nouns: frozen values, standard library only. Desired things have bare names, observed ones end in `State`."""
