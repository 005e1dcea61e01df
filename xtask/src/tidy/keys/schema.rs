//! The types that configuration files are read into, of all crates.

use std::collections::BTreeMap;

use super::super::tree::Tree;
use super::shape::{Field, Shape, Type};
use super::source::types;

/// All types that derive `Deserialize`, by name.
#[derive(Debug, Default)]
pub struct Schema {
    types: BTreeMap<String, Vec<Type>>,
}

impl Schema {
    /// Reads the sources of all crates.
    pub fn read(tree: &Tree) -> Self {
        let mut schema = Self::default();
        for (file, text) in tree.texts("crates/", ".rs").filter(|(file, _)| file.contains("/src/")) {
            for found in types(text, file) {
                schema.types.entry(found.name.clone()).or_default().push(found);
            }
        }
        schema.follow_conversions();
        schema
    }

    /// The type of a name: that of the crate with the file `near`, or the only one that there is.
    pub fn get(&self, name: &str, near: &str) -> Option<&Type> {
        let types = self.types.get(name)?;
        let of_crate: Vec<&Type> = types.iter().filter(|ty| crate_of(&ty.file) == crate_of(near)).collect();
        match (of_crate.as_slice(), types.as_slice()) {
            ([ty], _) => Some(ty),
            ([], [ty]) => Some(ty),
            _ => None,
        }
    }

    /// Gives types that are read by way of another one (`try_from`) that one's keys.
    fn follow_conversions(&mut self) {
        let all = self.types.values().flatten();
        let converted: Vec<(String, String, Vec<Field>)> = all
            .filter_map(|ty| {
                // An enum's forms are documented where it is, and its other self only checks them.
                let Shape::Struct(own) = &ty.shape else { return None };
                let Shape::Struct(written) = &self.get(ty.read_as.as_ref()?, &ty.file)?.shape else { return None };
                let mut fields = written.clone();
                for field in fields.iter_mut().filter(|field| field.doc.is_empty()) {
                    let same = own.iter().find(|own| own.key == field.key);
                    field.doc = same.map(|own| own.doc.clone()).unwrap_or_default();
                }
                Some((ty.name.clone(), ty.file.clone(), fields))
            })
            .collect();
        for (name, file, fields) in converted {
            for ty in self.types.get_mut(&name).into_iter().flatten().filter(|ty| ty.file == file) {
                ty.shape = Shape::Struct(fields.clone());
            }
        }
    }

    /// The files that define a type of this name.
    pub fn files(&self, name: &str) -> Vec<&str> {
        self.types.get(name).into_iter().flatten().map(|found| found.file.as_str()).collect()
    }
}

/// `crates/x` of `crates/x/src/lib.rs`.
fn crate_of(file: &str) -> &str {
    file.split_once("/src/").map_or(file, |(folder, _)| folder)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::shape::Holds;
    use super::*;

    const SOURCE: &str = r#"
        /// A table.
        #[derive(Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Table {
            /// The first
            /// key, see [`Choice`].
            pub first: usize,
            #[serde(default = "half")]
            pub second: f64,
            #[serde(default)]
            pub third: Vec<BTreeMap<String, u8>>,
            pub fourth: Option<Choice>,
            #[serde(rename = "fifth", default = "Self::names")]
            pub(crate) other: Vec<String>,
            #[serde(skip)]
            pub hidden: PathBuf,
        }
        fn half() -> f64 { 0.5 }
        impl Table { fn names() -> Vec<String> { vec!["a".to_owned(), "b".into()] } }

        #[derive(Default, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Choice { /// One.
            #[default] FirstOne, SecondOne }

        #[derive(Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        enum Tagged { None, Some { rank: usize }, Whole(Table) }

        #[derive(Deserialize)]
        #[serde(default)]
        struct Defaulted { a: bool, b: usize, c: Choice, d: PathBuf }
        impl Default for Defaulted {
            fn default() -> Self { Self { a: true, b: 3, c: Choice::SecondOne, d: PathBuf::from("x/y") } }
        }
        struct NotRead { x: usize }

        #[derive(Deserialize)]
        #[serde(try_from = "Written")]
        struct Settings { /// Both.
            both: usize, never_written: usize }
        #[derive(Deserialize)]
        struct Written { both: usize, /// Only there.
            only: Option<bool> }
    "#;

    fn schema() -> Schema {
        Schema::read(&Tree::of(&[("crates/a/src/lib.rs", SOURCE)]))
    }

    fn fields(name: &str) -> Vec<(String, String, Option<String>)> {
        let schema = schema();
        let fields = schema.get(name, "").unwrap().fields();
        fields.into_iter().map(|field| (field.key.clone(), field.ty.clone(), field.default.clone())).collect()
    }

    fn field(key: &str, ty: &str, default: Option<&str>) -> (String, String, Option<String>) {
        (key.to_owned(), ty.to_owned(), default.map(str::to_owned))
    }

    #[test]
    fn fields_have_types_and_defaults() {
        assert_eq!(
            fields("Table"),
            [
                field("first", "usize", None),
                field("second", "f64", Some("0.5")),
                field("third", "Vec<BTreeMap<String,u8>>", Some("[]")),
                field("fourth", "Option<Choice>", Some("none")),
                field("fifth", "Vec<String>", Some("[\"a\", \"b\"]")),
            ]
        );
        assert_eq!(schema().get("Table", "").unwrap().fields()[0].doc, "The first key, see `Choice`.");
        assert_eq!(
            fields("Defaulted"),
            [
                field("a", "bool", Some("true")),
                field("b", "usize", Some("3")),
                field("c", "Choice", Some("\"second_one\"")),
                field("d", "PathBuf", Some("\"x/y\"")),
            ]
        );
        assert!(schema().get("NotRead", "").is_none());
    }

    #[test]
    fn a_converted_type_has_the_keys_of_what_it_is_read_as() {
        let others =
            "#[derive(Deserialize)] struct Written { other: usize } #[derive(Deserialize)] struct Table {}";
        let schema = Schema::read(&Tree::of(&[("crates/a/src/lib.rs", SOURCE), ("crates/b/src/lib.rs", others)]));
        let fields = schema.get("Settings", "").unwrap().fields();
        let fields: Vec<_> = fields.iter().map(|field| (field.key.as_str(), field.doc.as_str())).collect();
        assert_eq!(fields, [("both", "Both."), ("only", "Only there.")]);
        // Of two types with one name, that of the own crate is meant.
        assert!(schema.get("Table", "").is_none());
        assert_eq!(schema.get("Table", "crates/b/src/x.rs").unwrap().fields().len(), 0);
    }

    #[test]
    fn forms_have_names_and_keys() {
        let schema = schema();
        let choice = schema.get("Choice", "").unwrap();
        assert!(choice.is_choice());
        let Shape::Enum { tag: None, variants, .. } = &choice.shape else { panic!("{choice:?}") };
        let names: Vec<_> = variants.iter().map(|variant| (variant.name.as_str(), variant.is_default)).collect();
        assert_eq!(names, [("first_one", true), ("second_one", false)]);
        let tagged = schema.get("Tagged", "").unwrap();
        assert!(!tagged.is_choice());
        let Shape::Enum { tag: Some(tag), variants, .. } = &tagged.shape else { panic!("{tagged:?}") };
        assert_eq!(tag, "kind");
        assert!(matches!(&variants[1].holds, Holds::Keys(fields) if fields[0].key == "rank"));
        assert!(matches!(&variants[2].holds, Holds::Value(ty) if ty == "Table"));
    }
}
