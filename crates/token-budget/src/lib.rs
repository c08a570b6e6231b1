//! A tower layer that answers: may this tenant spend these Claude tokens?
