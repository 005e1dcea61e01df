#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::panic)]

mod skip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

pub use skip::{real_data, real_weights, skip};

/// Names another set of fixtures than the committed one.
const OTHER_SET: &str = "FASTERSAM_GOLDEN";

/// The folder of the fixtures in use: `FASTERSAM_GOLDEN` or the committed set.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::var_os(OTHER_SET)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), PathBuf::from)
}

/// One stored tensor, in row-major order.
#[derive(Clone, Debug)]
pub struct Array {
    /// The size of every axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Elements,
}

/// The elements of an [`Array`].
#[derive(Clone, Debug)]
pub enum Elements {
    /// Floats.
    F32(Vec<f32>),
    /// Indices.
    I64(Vec<i64>),
    /// Masks, labels and byte images.
    U8(Vec<u8>),
}

impl Array {
    /// The elements of a float tensor.
    #[must_use]
    pub fn f32(&self) -> &[f32] {
        match &self.data {
            Elements::F32(v) => v,
            other => panic!("the fixture's tensor is not f32: {other:?}"),
        }
    }

    /// The elements of an index tensor.
    #[must_use]
    pub fn i64(&self) -> &[i64] {
        match &self.data {
            Elements::I64(v) => v,
            other => panic!("the fixture's tensor is not i64: {other:?}"),
        }
    }

    /// The elements of a byte tensor.
    #[must_use]
    pub fn u8(&self) -> &[u8] {
        match &self.data {
            Elements::U8(v) => v,
            other => panic!("the fixture's tensor is not u8: {other:?}"),
        }
    }

    /// The elements of a label map, stored as bytes or as indices.
    #[must_use]
    pub fn labels(&self) -> Vec<u8> {
        match &self.data {
            Elements::U8(v) => v.clone(),
            Elements::I64(v) => v.iter().map(|&v| v as u8).collect(),
            Elements::F32(_) => panic!("the fixture's tensor holds floats, not labels"),
        }
    }

    /// The float image that an `*image_u8` tensor stands for: `u8 / 64 - 2`.
    #[must_use]
    pub fn image(&self) -> Vec<f32> {
        self.u8().iter().map(|&v| f32::from(v) / 64.0 - 2.0).collect()
    }

    /// The shape as an array of fixed length.
    #[must_use]
    pub fn dims<const D: usize>(&self) -> [usize; D] {
        self.shape
            .as_slice()
            .try_into()
            .unwrap_or_else(|_| panic!("the fixture's tensor has shape {:?}, not {D} axes", self.shape))
    }
}

/// One safetensors file of the set.
#[derive(Clone, Debug)]
pub struct Fixture {
    name: String,
    tensors: BTreeMap<String, Array>,
}

impl Fixture {
    /// The tensor `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> &Array {
        self.tensors.get(key).unwrap_or_else(|| panic!("{}.safetensors holds no tensor {key}", self.name))
    }

    /// Whether the file holds `key`.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }

    /// All tensors, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.tensors.iter().map(|(key, array)| (key.as_str(), array))
    }

    /// The tensors that are weights (neither `input.*` nor `output.*`), by official name.
    pub fn weights(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.iter().filter(|(key, _)| !key.starts_with("input.") && !key.starts_with("output."))
    }
}

/// Whether the set has all these files. A test that finds one missing is reported as skipped if
/// `FASTERSAM_GOLDEN` names the set.
///
/// # Panics
/// Where the committed set lacks one: its tests must not pass for want of it.
#[must_use]
pub fn has(names: &[&str]) -> bool {
    has_all(&folder(), std::env::var_os(OTHER_SET).is_some(), names, skip)
}

fn has_all(folder: &Path, may_lack: bool, names: &[&str], skip: impl FnOnce(&str)) -> bool {
    let lacking: Vec<&str> = names.iter().copied().filter(|name| !folder.join(name).exists()).collect();
    if lacking.is_empty() {
        return true;
    }
    let lacking = lacking.join(", ");
    assert!(may_lack, "the committed golden set in {} lacks {lacking}", folder.display());
    skip(&format!("{lacking} in the golden set {}", folder.display()));
    false
}

/// Reads `NAME.safetensors`; `None` under the conditions of [`has`].
#[must_use]
pub fn fixture(name: &str) -> Option<Fixture> {
    let file = format!("{name}.safetensors");
    if !has(&[&file]) {
        return None;
    }
    let path = folder().join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let tensors = file
        .iter()
        .map(|(key, view)| {
            let raw = view.data();
            let data = match view.dtype() {
                Dtype::F32 => {
                    Elements::F32(raw.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
                }
                Dtype::I64 => {
                    Elements::I64(raw.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
                }
                Dtype::U8 | Dtype::BOOL => Elements::U8(raw.to_vec()),
                other => panic!("{}: {key} has the type {other:?}", path.display()),
            };
            let shape = view.shape().to_vec();
            (key.to_owned(), Array { shape, data })
        })
        .collect();
    Some(Fixture { name: name.to_owned(), tensors })
}

/// Reads `NAME.json`; `None` under the conditions of [`has`].
#[must_use]
pub fn json(name: &str) -> Option<Value> {
    let file = format!("{name}.json");
    if !has(&[&file]) {
        return None;
    }
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// `config.json`: every size and setting that the fixtures used. A test that needs it asks [`has`] first.
#[must_use]
pub fn config() -> Value {
    json("config").unwrap_or_else(|| panic!("a golden set needs config.json"))
}

/// Compares tensors with a fixture, prints the largest difference of each and fails at the end if
/// one is too far off.
#[derive(Debug)]
pub struct Comparison {
    name: String,
    tolerances: Value,
    factor: f64,
    compared: usize,
    failures: Vec<String>,
}

impl Comparison {
    /// Starts a comparison with `name`, whose tolerances are those of `tolerances.json`. A test that needs
    /// them asks [`has`] first.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let tolerances = json("tolerances").map_or(Value::Null, |all| all[name].clone());
        Self { name: name.to_owned(), tolerances, factor: 1.0, compared: 0, failures: Vec::new() }
    }

    /// The same with all tolerances, also those that are given later, so many times as wide.
    #[must_use]
    pub fn relaxed(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// The tolerance that the set gives for `key`, for instance `output.neck`.
    #[must_use]
    pub fn atol(&self, key: &str) -> f64 {
        self.tolerances[key]["atol"]
            .as_f64()
            .unwrap_or_else(|| panic!("tolerances.json has no atol for {} {key}", self.name))
    }

    /// Compares with the tensor `key` under the set's own tolerance.
    pub fn check(&mut self, fixture: &Fixture, key: &str, ours: &[f32]) {
        let atol = self.atol(key);
        self.check_within(key, ours, fixture.get(key).f32(), atol);
    }

    /// Compares with `expected` under a given tolerance.
    pub fn check_within(&mut self, key: &str, ours: &[f32], expected: &[f32], atol: f64) {
        self.compared += 1;
        let atol = atol * self.factor;
        if ours.len() != expected.len() {
            self.failures.push(format!("{key}: {} elements, not {}", ours.len(), expected.len()));
            return;
        }
        let mut worst = 0.0_f64;
        for (a, b) in ours.iter().zip(expected) {
            let difference = (f64::from(*a) - f64::from(*b)).abs();
            // A NaN must not pass for a small difference.
            worst = if difference.is_nan() { f64::INFINITY } else { worst.max(difference) };
        }
        println!("{:<24} {key:<64} largest difference {worst:.2e} (allowed {atol:.0e})", self.name);
        if worst > atol {
            self.failures.push(format!("{key}: off by {worst:e}, allowed {atol:e}"));
        }
    }

    /// Fails if a comparison failed, or if nothing was compared.
    pub fn finish(self) {
        assert!(self.compared > 0, "{}: nothing was compared", self.name);
        assert!(self.failures.is_empty(), "{}:\n{}", self.name, self.failures.join("\n"));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_another_set_may_lack_files() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let has = |may_lack, names: &[&str], needs: &mut Option<String>| {
            has_all(&fixtures, may_lack, names, |why| *needs = Some(why.to_owned()))
        };
        let mut needs = None;
        assert!(has(false, &["config.json", "tolerances.json"], &mut needs));
        assert_eq!(needs, None);
        assert!(!has(true, &["config.json", "none.json"], &mut needs));
        assert!(needs.unwrap().starts_with("none.json in the golden set "));
        let panicked = std::panic::catch_unwind(|| has(false, &["none.json"], &mut None));
        let message = *panicked.unwrap_err().downcast::<String>().unwrap();
        assert!(message.ends_with("lacks none.json"), "{message}");
    }
}
