//! A tower layer that answers: what did this call to Claude cost, and who pays?
