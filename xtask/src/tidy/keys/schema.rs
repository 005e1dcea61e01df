//! The types that configuration files are read into, from their source text.

use std::collections::BTreeMap;

use super::super::rust::{Kind, Token, after_group, starts_with, tokens, without_tests};
use super::super::tree::Tree;

/// All types that derive `Deserialize`, by name.
#[derive(Debug, Default)]
pub struct Schema {
    types: BTreeMap<String, Vec<Type>>,
}

/// A type that a part of a file is read into.
#[derive(Debug)]
pub struct Type {
    /// Its name.
    pub name: String,
    /// The file that defines it.
    pub file: String,
    /// What it looks like.
    pub shape: Shape,
    /// The type that it is read as before it is converted, if it is.
    read_as: Option<String>,
}

/// What a type looks like in a file.
#[derive(Debug)]
pub enum Shape {
    /// A table with these keys.
    Struct(Vec<Field>),
    /// One of several forms.
    Enum {
        /// The key that names the form, if one does.
        tag: Option<String>,
        /// Whether the form shows in its keys only.
        untagged: bool,
        /// The forms.
        variants: Vec<Variant>,
    },
}

/// One key.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in the file.
    pub key: String,
    /// The Rust type, without spaces.
    pub ty: String,
    /// What stands for it where it is left out; none if it must be there.
    pub default: Option<String>,
    /// Its documentation, in one line.
    pub doc: String,
}

/// One form of an enum.
#[derive(Debug)]
pub struct Variant {
    /// Its name in the file.
    pub name: String,
    /// Its documentation, in one line.
    pub doc: String,
    /// What it holds.
    pub holds: Holds,
    /// Whether it is the type's default.
    pub is_default: bool,
}

/// What a form of an enum holds.
#[derive(Debug)]
pub enum Holds {
    /// Nothing.
    Nothing,
    /// One value of this type.
    Value(String),
    /// Keys.
    Keys(Vec<Field>),
}

/// What attributes and comments before an item, field or variant say.
#[derive(Debug, Default)]
struct Notes {
    doc: Vec<String>,
    derives: Vec<String>,
    /// Entries of `#[serde(...)]`, with their values.
    serde: BTreeMap<String, Option<String>>,
    is_default: bool,
}

impl Schema {
    /// Reads the sources of all crates.
    pub fn read(tree: &Tree) -> Self {
        let mut schema = Self::default();
        for (file, text) in tree.texts("crates/", ".rs").filter(|(file, _)| file.contains("/src/")) {
            let tokens = without_tests(&tokens(text));
            for found in types(&tokens, file) {
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

impl Type {
    /// Whether the type is a choice among words.
    pub fn is_choice(&self) -> bool {
        matches!(&self.shape, Shape::Enum { tag: None, variants, .. }
            if variants.iter().all(|variant| matches!(variant.holds, Holds::Nothing)))
    }

    /// All fields, of all forms.
    pub fn fields(&self) -> Vec<&Field> {
        match &self.shape {
            Shape::Struct(fields) => fields.iter().collect(),
            Shape::Enum { variants, .. } => variants
                .iter()
                .flat_map(|variant| match &variant.holds {
                    Holds::Keys(fields) => fields.iter().collect(),
                    _ => Vec::new(),
                })
                .collect(),
        }
    }
}

/// `crates/x` of `crates/x/src/lib.rs`.
fn crate_of(file: &str) -> &str {
    file.split_once("/src/").map_or(file, |(folder, _)| folder)
}

/// The names in a type: `Vec` and `Tuning` of `Vec<Tuning>`.
pub fn names_in(ty: &str) -> impl Iterator<Item = &str> {
    ty.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
}

/// What is between the angle brackets of `Outer<..>`.
pub fn inside<'a>(ty: &'a str, outer: &str) -> Option<&'a str> {
    ty.strip_prefix(outer)?.strip_prefix('<')?.strip_suffix('>')
}

fn types(tokens: &[Token], file: &str) -> Vec<Type> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (notes, start) = notes(tokens, at);
        let start = after_visibility(tokens, start);
        let is_struct = tokens.get(start).is_some_and(|token| token.is("struct"));
        let is_enum = tokens.get(start).is_some_and(|token| token.is("enum"));
        let open =
            (start..tokens.len()).find(|&at| tokens[at].is("{") || tokens[at].is(";") || tokens[at].is("("));
        let Some(open) = open.filter(|_| is_struct || is_enum) else {
            at = start.max(at + 1);
            continue;
        };
        at = after_group(tokens, open);
        if !notes.derives.iter().any(|name| name == "Deserialize") || !tokens[open].is("{") {
            continue;
        }
        let name = tokens[start + 1].text.clone();
        let body = &tokens[open + 1..at - 1];
        let source = Source { tokens, of: &name };
        let shape = if is_struct {
            Shape::Struct(source.fields(body, &notes))
        } else {
            Shape::Enum {
                tag: notes.serde.get("tag").cloned().flatten(),
                untagged: notes.serde.contains_key("untagged"),
                variants: source.variants(body, &notes),
            }
        };
        let read_as = ["try_from", "from"].iter().find_map(|key| notes.serde.get(*key).cloned().flatten());
        found.push(Type { name, file: file.to_owned(), shape, read_as });
    }
    found
}

/// The file around a type: its defaults are looked for there.
struct Source<'a> {
    tokens: &'a [Token],
    of: &'a str,
}

impl Source<'_> {
    fn fields(&self, body: &[Token], container: &Notes) -> Vec<Field> {
        let mut fields = Vec::new();
        for part in split(body) {
            let (notes, at) = notes(part, 0);
            let at = after_visibility(part, at);
            let Some(name) = part.get(at).filter(|name| name.kind == Kind::Ident) else { continue };
            if ["skip", "skip_deserializing"].iter().any(|skip| notes.serde.contains_key(*skip)) {
                continue;
            }
            let ty: String = part[(at + 2).min(part.len())..].iter().map(|token| token.text.as_str()).collect();
            fields.push(Field {
                key: notes.name(&name.text, container.serde.get("rename_all")),
                default: self.default(&name.text, &ty, &notes, container),
                doc: notes.doc(),
                ty,
            });
        }
        fields
    }

    fn variants(&self, body: &[Token], container: &Notes) -> Vec<Variant> {
        let mut variants = Vec::new();
        for part in split(body) {
            let (notes, at) = notes(part, 0);
            let Some(name) = part.get(at).filter(|name| name.kind == Kind::Ident) else { continue };
            let inner = Notes { serde: container.serde.clone(), ..Notes::default() };
            let fields_of = |notes: &Notes| {
                // `rename_all` of the enum names its variants; their fields have `rename_all_fields`.
                let mut inner = Notes { serde: inner.serde.clone(), ..Notes::default() };
                inner.serde.remove("default");
                match notes.serde.get("rename_all").or(inner.serde.get("rename_all_fields")).cloned() {
                    Some(rule) => inner.serde.insert("rename_all".to_owned(), rule),
                    None => inner.serde.remove("rename_all"),
                };
                inner
            };
            let holds = match part.get(at + 1) {
                Some(open) if open.is("{") => {
                    Holds::Keys(self.fields(&part[at + 2..part.len() - 1], &fields_of(&notes)))
                }
                Some(open) if open.is("(") => {
                    Holds::Value(part[at + 2..part.len() - 1].iter().map(|token| token.text.as_str()).collect())
                }
                _ => Holds::Nothing,
            };
            variants.push(Variant {
                name: notes.name(&name.text, container.serde.get("rename_all")),
                doc: notes.doc(),
                holds,
                is_default: notes.is_default,
            });
        }
        variants
    }

    /// What stands for a field that is left out.
    fn default(&self, name: &str, ty: &str, notes: &Notes, container: &Notes) -> Option<String> {
        match notes.serde.get("default") {
            Some(Some(function)) => {
                let function = function.rsplit("::").next().unwrap_or_default();
                let at =
                    (0..self.tokens.len()).find(|&at| starts_with(&self.tokens[at..], &["fn", function, "("]))?;
                let open = (at..self.tokens.len()).find(|&at| self.tokens[at].is("{"))?;
                let end = after_group(self.tokens, open);
                return Some(value(&self.tokens[open + 1..end - 1]));
            }
            Some(None) => return Some(default_of(ty)),
            None => {}
        }
        if container.serde.contains_key("default") {
            return Some(self.field_of_default(name).unwrap_or_else(|| default_of(ty)));
        }
        ty.starts_with("Option<").then(|| "none".to_owned())
    }

    /// The value of a field in `impl Default`.
    fn field_of_default(&self, name: &str) -> Option<String> {
        let tokens = self.tokens;
        let at = (0..tokens.len()).find(|&at| starts_with(&tokens[at..], &["impl", "Default", "for", self.of]))?;
        // Not the `Self` of `-> Self {`.
        let is_literal = |at: &usize| starts_with(&tokens[*at..], &["Self", "{"]) && !tokens[at - 1].is(">");
        let open = (at + 1..tokens.len()).find(is_literal)? + 1;
        let literal = &tokens[open + 1..after_group(tokens, open) - 1];
        let part = split(literal).into_iter().find(|part| part.first().is_some_and(|token| token.is(name)))?;
        Some(value(part.get(2..)?))
    }
}

/// What serde takes for a type that says `#[serde(default)]`. Choices and tables are named by the caller.
fn default_of(ty: &str) -> String {
    match ty {
        "bool" => "false".to_owned(),
        "f32" | "f64" => "0.0".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "0".to_owned(),
        "String" | "PathBuf" => "\"\"".to_owned(),
        _ if ty.starts_with("Option<") => "none".to_owned(),
        _ if ty.starts_with("Vec<") => "[]".to_owned(),
        _ if ty.starts_with("BTreeMap<") => "none".to_owned(),
        // Left to the type's own default.
        _ => String::new(),
    }
}

/// An expression as TOML would have it, as far as it is simple.
fn value(tokens: &[Token]) -> String {
    let text = |token: &Token| match token.kind {
        Kind::Literal => format!("\"{}\"", token.text),
        _ => token.text.clone(),
    };
    let literals: Vec<&Token> = tokens.iter().filter(|token| token.kind == Kind::Literal).collect();
    match tokens {
        [only] if only.is("None") => "none".to_owned(),
        [only] => text(only),
        [some, open, inner @ .., _] if some.is("Some") && open.is("(") => value(inner),
        [vec, bang, open, inner @ .., _] if vec.is("vec") && bang.is("!") && open.is("[") => {
            let parts: Vec<String> = split(inner).into_iter().map(value).collect();
            format!("[{}]", parts.join(", "))
        }
        [ty, .., last] if ty.kind == Kind::Ident && last.kind == Kind::Ident && last.text != "new" => {
            format!("\"{}\"", snake_case(&last.text))
        }
        [ty, .., open, close] if ty.is("Vec") && open.is("(") && close.is(")") => "[]".to_owned(),
        _ if literals.len() == 1 => text(literals[0]),
        _ => tokens.iter().map(text).collect(),
    }
}

/// The parts between commas; those in brackets and angle brackets separate nothing.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut parts = Vec::new();
    let (mut start, mut at, mut angles) = (0, 0, 0_i32);
    while at < tokens.len() {
        let token = &tokens[at];
        if token.is("(") || token.is("[") || token.is("{") {
            at = after_group(tokens, at);
            continue;
        }
        if token.is("<") {
            angles += 1;
        } else if token.is(">") && !tokens[at - 1].is("-") {
            angles -= 1;
        } else if token.is(",") && angles == 0 {
            parts.push(&tokens[start..at]);
            start = at + 1;
        }
        at += 1;
    }
    if start < tokens.len() {
        parts.push(&tokens[start..]);
    }
    parts
}

/// Reads comments and attributes; gives the index after them.
fn notes(tokens: &[Token], mut at: usize) -> (Notes, usize) {
    let mut notes = Notes::default();
    while let Some(token) = tokens.get(at) {
        if token.kind == Kind::Doc {
            notes.doc.push(token.text.trim().to_owned());
            at += 1;
        } else if token.is("#") && tokens.get(at + 1).is_some_and(|open| open.is("[")) {
            let end = after_group(tokens, at + 1);
            notes.attribute(&tokens[at + 2..end - 1]);
            at = end;
        } else {
            break;
        }
    }
    (notes, at)
}

impl Notes {
    fn attribute(&mut self, tokens: &[Token]) {
        let inner = tokens.get(2..tokens.len().saturating_sub(1)).unwrap_or_default();
        match tokens.first().map(|name| name.text.as_str()) {
            Some("derive") => self.derives.extend(inner.iter().map(|token| token.text.clone())),
            Some("default") => self.is_default = true,
            Some("serde") => {
                for entry in split(inner) {
                    let value =
                        entry.get(2).filter(|value| value.kind == Kind::Literal).map(|value| value.text.clone());
                    self.serde.extend(entry.first().map(|name| (name.text.clone(), value)));
                }
            }
            _ => {}
        }
    }

    fn name(&self, name: &str, rule: Option<&Option<String>>) -> String {
        if let Some(Some(renamed)) = self.serde.get("rename") {
            return renamed.clone();
        }
        match rule.and_then(|rule| rule.as_deref()) {
            Some("snake_case") => snake_case(name),
            Some("kebab-case") => snake_case(name).replace('_', "-"),
            Some("lowercase") => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }

    fn doc(&self) -> String {
        self.doc.join(" ").replace("[`", "`").replace("`]", "`").trim().to_owned()
    }
}

fn after_visibility(tokens: &[Token], at: usize) -> usize {
    match tokens.get(at) {
        Some(token) if token.is("pub") => {
            let has_scope = tokens.get(at + 1).is_some_and(|open| open.is("("));
            if has_scope { after_group(tokens, at + 1) } else { at + 1 }
        }
        _ => at,
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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
