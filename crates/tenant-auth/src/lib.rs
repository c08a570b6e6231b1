//! A tower layer that answers: who is calling Claude?
