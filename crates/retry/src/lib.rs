//! A tower layer that answers: is this Claude call worth trying again here?
