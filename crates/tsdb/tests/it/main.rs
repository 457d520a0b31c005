//! Tests of the database from outside: against the original, and through a kill.

mod peers;
