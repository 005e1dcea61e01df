//! Training, evaluation, tables and plots of FasterSAM.

pub mod record;
pub mod report;
