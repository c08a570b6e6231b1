//! A tower layer that answers: where else can this Claude call run?
