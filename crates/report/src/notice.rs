//! What is said wherever a result is printed.

/// Said wherever a result is printed.
pub const RECONSTRUCTION: &str = "Only the abstract of the FasterSAM paper (Medical Physics 53(1), e70193, 2026) is \
     public, and its repository contains no code. Whatever the abstract leaves open was decided by this project, so none \
     of these are the paper's own results.";
