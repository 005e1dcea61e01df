//! What the table of bounds says of the keys of experiment files.

use std::collections::BTreeMap;

use super::super::tree::Tree;
use super::schema::Schema;
use super::shape::{Holds, Shape, Type, names_in};

/// The table, one key a line.
const SOURCE: &str = "crates/experiments/src/bounds.rs";
/// The type that keys are paths in.
const ROOT: &str = "Experiment";

/// The bounds of keys, in words.
#[derive(Debug, Default)]
pub struct Bounds {
    /// By path: `train.epochs`.
    words: BTreeMap<String, String>,
    /// The paths that a type lies at.
    places: BTreeMap<String, String>,
}

impl Bounds {
    /// Reads the table, and where the types lie that are read into an experiment.
    pub fn read(tree: &Tree, schema: &Schema) -> Self {
        let mut bounds = Self::default();
        bounds.words.extend(tree.text(SOURCE).unwrap_or_default().lines().filter_map(entry));
        if let Some(root) = schema.get(ROOT, "") {
            bounds.place(schema, root, "");
        }
        bounds
    }

    /// `1 to 4096`, where the key of a type has bounds.
    pub fn of(&self, ty: &str, key: &str) -> Option<&str> {
        let path = join(self.places.get(ty)?, key);
        self.words.get(&path).map(String::as_str)
    }

    /// The keys with bounds that no type has.
    pub fn unknown(&self, schema: &Schema) -> Vec<&str> {
        let has = |path: &str| {
            let (place, key) = path.rsplit_once('.').unwrap_or(("", path));
            let types = self.places.iter().filter(|(_, at)| *at == place).filter_map(|(ty, _)| schema.get(ty, ""));
            types.flat_map(Type::fields).any(|field| field.key == key)
        };
        self.words.keys().map(String::as_str).filter(|path| !has(path)).collect()
    }

    fn place(&mut self, schema: &Schema, ty: &Type, at: &str) {
        if self.places.insert(ty.name.clone(), at.to_owned()).is_some() {
            return;
        }
        let fields = ty.fields().into_iter().map(|field| (join(at, &field.key), &field.ty));
        // A form that holds another type is written as that one.
        let held = match &ty.shape {
            Shape::Enum { variants, .. } => variants.iter().map(|variant| &variant.holds).collect(),
            Shape::Struct(_) => Vec::new(),
        };
        let held = held.into_iter().filter_map(|holds| match holds {
            Holds::Value(inner) => Some((at.to_owned(), inner)),
            _ => None,
        });
        for (path, inner) in fields.chain(held) {
            for found in names_in(inner).filter_map(|name| schema.get(name, &ty.file)) {
                self.place(schema, found, &path);
            }
        }
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// `("train.epochs", 1.0, 100_000.0),` as the key and `1 to 100000`.
fn entry(line: &str) -> Option<(String, String)> {
    let inner = line.trim().strip_prefix("(\"")?.strip_suffix("),")?;
    let (key, range) = inner.split_once("\", ")?;
    let (low, high) = range.split_once(", ")?;
    let plain = |number: &str| number.replace('_', "").trim_end_matches(".0").to_owned();
    Some((key.to_owned(), format!("{} to {}", plain(low), plain(high))))
}
