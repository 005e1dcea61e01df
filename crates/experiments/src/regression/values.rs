//! What a part of the suite measured.

use std::collections::BTreeMap;

use fastersam_records::regression::Value;

/// Figures by name, without the part before it.
pub(super) type Values = BTreeMap<String, Value>;
