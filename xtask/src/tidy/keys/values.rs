//! Keys and values that documentation pages show, against the types that they are read into.

use toml::{Table, Value};

use super::super::page::Page;
use super::super::tree::Finding;
use super::schema::Schema;
use super::shape::{Field, Holds, Shape, Type, inside};
use super::tables::PAGE;

/// The types of whole files. Overrides on the command line are keys of the first.
pub const ROOTS: [&str; 3] = ["Experiment", "Suite", "Description"];

/// Keys of Cargo.toml: what a page says of that is cargo's business.
const CARGO: [&str; 9] = [
    "package",
    "dependencies",
    "dev-dependencies",
    "features",
    "workspace",
    "patch",
    "profile",
    "burn",
    "fastersam",
];

/// Checks a page. `documented` are the types with a table.
pub fn check(schema: &Schema, documented: &[&str], file: &str, page: &Page) -> Vec<Finding> {
    let mut found = Vec::new();
    for block in page.blocks.iter().filter(|block| block.language == "toml") {
        let Ok(table) = block.lines.join("\n").parse::<Table>() else {
            found.push(Finding::new(file, block.line, "the block is no TOML; mend it"));
            continue;
        };
        if table.keys().any(|key| CARGO.contains(&key.as_str())) {
            continue;
        }
        let types = ROOTS.iter().filter_map(|name| schema.get(name, ""));
        if let Some(fault) = least_faults(schema, types, &table) {
            let key = fault.key.rsplit('.').next().unwrap_or_default();
            let at = block.lines.iter().position(|line| has_key(line, key)).unwrap_or(0);
            found.push(Finding::new(file, block.line + at, fault.text()));
        }
    }
    for (line, span) in page.spans.iter().filter(|(_, span)| span.contains(" = ")) {
        let Ok(table) = span.parse::<Table>() else { continue };
        if table.keys().any(|key| CARGO.contains(&key.as_str())) {
            continue;
        }
        let types = documented.iter().filter_map(|name| schema.get(name, ""));
        if let Some(fault) = least_faults(schema, types, &table) {
            found.push(Finding::new(file, *line, fault.text()));
        }
    }
    let blocks = page
        .blocks
        .iter()
        .flat_map(|block| block.lines.iter().enumerate().map(|(at, code)| (block.line + at, code.as_str())));
    for (line, code) in page.spans.iter().map(|(line, span)| (*line, span.as_str())).chain(blocks) {
        for set in code.split("--set ").skip(1) {
            let set = set.split_whitespace().next().unwrap_or_default();
            let fault = schema.get(ROOTS[0], "").and_then(|root| override_fault(schema, root, set));
            found.extend(fault.map(|fault| Finding::new(file, line, fault.text())));
        }
    }
    found
}

/// Whether a line gives a value to a key, or begins its table.
fn has_key(line: &str, key: &str) -> bool {
    line.split(['=', ',', '{', '[', ']', '.']).any(|part| part.trim() == key)
}

/// A key that does not exist, or a value that can't be.
#[derive(Debug, PartialEq)]
struct Fault {
    key: String,
    value: Option<String>,
}

impl Fault {
    fn text(&self) -> String {
        match &self.value {
            None => format!("no file has the key `{}` there; {PAGE} lists them", self.key),
            Some(value) => format!("the key `{}` can't be {value}; {PAGE} lists what it can be", self.key),
        }
    }
}

/// The first fault of a table, seen as the type that fits it best; none if it fits one of them.
fn least_faults<'a>(schema: &Schema, types: impl Iterator<Item = &'a Type>, table: &Table) -> Option<Fault> {
    let value = Value::Table(table.clone());
    let faults = types.map(|ty| {
        let n_known = table.keys().filter(|key| known_keys(ty).contains(&key.as_str())).count();
        (n_known, faults_of_type(schema, ty, &value, ""))
    });
    let best = faults.max_by_key(|(n_known, faults)| (*n_known, std::cmp::Reverse(faults.len())));
    best.and_then(|(_, faults)| faults.into_iter().next())
}

fn known_keys(ty: &Type) -> Vec<&str> {
    let tag = match &ty.shape {
        Shape::Enum { tag, .. } => tag.as_deref(),
        Shape::Struct(_) => None,
    };
    ty.fields().into_iter().map(|field| field.key.as_str()).chain(tag).collect()
}

/// `key.key=value`: the keys must lead somewhere, and the value be possible.
fn override_fault(schema: &Schema, root: &Type, set: &str) -> Option<Fault> {
    let (path, value) = set.split_once('=')?;
    if path.chars().all(|c| c.is_ascii_uppercase()) || path == "key" {
        return None;
    }
    // In TOML's own syntax; what that can't parse is text.
    let table = format!("{path} = {value}").parse().or_else(|_| format!("{path} = {value:?}").parse::<Table>());
    faults_of_type(schema, root, &Value::Table(table.ok()?), "").into_iter().next()
}

fn faults_of_type(schema: &Schema, ty: &Type, value: &Value, key: &str) -> Vec<Fault> {
    let wrong = || vec![Fault { key: key.to_owned(), value: Some(value.to_string().trim().to_owned()) }];
    match (&ty.shape, value) {
        (Shape::Struct(fields), Value::Table(table)) => faults_of_keys(schema, &ty.file, fields, table, key),
        (Shape::Struct(_), _) => wrong(),
        (Shape::Enum { tag: Some(tag), variants, .. }, Value::Table(table)) => {
            let form = table.get(tag).and_then(Value::as_str);
            let chosen: Vec<_> = variants.iter().filter(|v| form.is_none_or(|form| form == v.name)).collect();
            if chosen.is_empty() {
                return vec![Fault { key: join(key, tag), value: form.map(|form| format!("\"{form}\"")) }];
            }
            let fields: Vec<Field> = chosen
                .iter()
                .flat_map(|variant| match &variant.holds {
                    Holds::Keys(fields) => fields.clone(),
                    _ => Vec::new(),
                })
                .collect();
            let rest: Table =
                table.iter().filter(|(name, _)| *name != tag).map(|(k, v)| (k.clone(), v.clone())).collect();
            faults_of_keys(schema, &ty.file, &fields, &rest, key)
        }
        (Shape::Enum { untagged: true, variants, .. }, _) => {
            let forms = variants.iter().map(|variant| match (&variant.holds, value) {
                (Holds::Value(inner), _) => faults(schema, &ty.file, inner, value, key),
                (Holds::Keys(fields), Value::Table(table)) => faults_of_keys(schema, &ty.file, fields, table, key),
                _ => wrong(),
            });
            forms.min_by_key(Vec::len).unwrap_or_default()
        }
        (Shape::Enum { variants, .. }, Value::String(name)) => {
            let is_form = variants.iter().any(|v| v.name == *name && matches!(v.holds, Holds::Nothing));
            if is_form { Vec::new() } else { wrong() }
        }
        (Shape::Enum { variants, .. }, Value::Table(table)) => {
            let Some((name, inner)) = table.iter().next().filter(|_| table.len() == 1) else { return wrong() };
            match (variants.iter().find(|variant| variant.name == *name).map(|v| &v.holds), inner) {
                (Some(Holds::Value(of)), _) => faults(schema, &ty.file, of, inner, &join(key, name)),
                (Some(Holds::Keys(fields)), Value::Table(table)) => {
                    faults_of_keys(schema, &ty.file, fields, table, &join(key, name))
                }
                _ => wrong(),
            }
        }
        (Shape::Enum { .. }, _) => wrong(),
    }
}

fn faults_of_keys(schema: &Schema, near: &str, fields: &[Field], table: &Table, key: &str) -> Vec<Fault> {
    let mut found = Vec::new();
    for (name, value) in table {
        let key = join(key, name);
        let same: Vec<&Field> = fields.iter().filter(|field| field.key == *name).collect();
        // Forms of one enum may give a key different types.
        match same.iter().map(|field| faults(schema, near, &field.ty, value, &key)).min_by_key(Vec::len) {
            Some(faults) => found.extend(faults),
            None => found.push(Fault { key, value: None }),
        }
    }
    found
}

/// Faults of a value of a Rust type that the file `near` names.
fn faults(schema: &Schema, near: &str, ty: &str, value: &Value, key: &str) -> Vec<Fault> {
    if let Some(inner) = inside(ty, "Option").or_else(|| inside(ty, "Box")) {
        return faults(schema, near, inner, value, key);
    }
    if let (Some(inner), Value::Array(values)) = (inside(ty, "Vec"), value) {
        return values.iter().flat_map(|value| faults(schema, near, inner, value, key)).collect();
    }
    if let (Some((_, inner)), Value::Table(table)) =
        (inside(ty, "BTreeMap").and_then(|ty| ty.split_once(',')), value)
    {
        return table
            .iter()
            .flat_map(|(name, value)| faults(schema, near, inner, value, &join(key, name)))
            .collect();
    }
    let is_possible = match ty {
        "bool" => value.is_bool(),
        "String" | "PathBuf" => value.is_str(),
        "f32" | "f64" => value.is_float() || value.is_integer(),
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => value.is_integer(),
        _ => match schema.get(ty, near) {
            Some(ty) => return faults_of_type(schema, ty, value, key),
            // Types with a reader of their own are not known here; a list or table is one of them.
            None => inside(ty, "Vec").is_none() && inside(ty, "BTreeMap").is_none(),
        },
    };
    if is_possible { Vec::new() } else { vec![Fault { key: key.to_owned(), value: Some(value.to_string()) }] }
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::{Tree, lines};
    use super::*;

    const SOURCE: &str = r#"
        #[derive(Deserialize)]
        pub struct Experiment { pub id: String, pub data: Data, pub train: Train, pub tuning: Option<Tuning> }
        #[derive(Deserialize)]
        pub struct Train { pub epochs: usize, pub rate: f64, pub points: Vec<usize> }
        #[derive(Deserialize)]
        #[serde(tag = "source", rename_all = "snake_case")]
        pub enum Data { Phantom { cases: usize }, Files { path: PathBuf } }
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Tuning { None, Window { low: f32 } }
        #[derive(Deserialize)]
        pub struct Description { pub name: String, pub folds: BTreeMap<String, Vec<String>> }
    "#;

    fn found(page: &str) -> Vec<String> {
        let tree = Tree::of(&[("crates/a/src/lib.rs", SOURCE)]);
        let documented = ["Experiment", "Train", "Data", "Tuning", "Description"];
        lines(&check(&Schema::read(&tree), &documented, "a.md", &Page::read(page)))
    }

    #[test]
    fn keys_and_values_that_exist_pass() {
        let page = "`epochs = 3` `tuning = { window = { low = 1 } }` `tuning = \"none\"` `x == y` `source = \"files\"`\n\n    \
            run --set train.epochs=3 --set data.path=x/y --set key=value\n\n```toml\nid = \"a\"\n[data]\nsource = \"phantom\"\n\
            cases = 3\n```\n\n```toml\nname = \"b\"\n[folds]\nany = [\"c\"]\n```\n\n```toml\n[dependencies]\nburn = 1\n```\n";
        assert_eq!(found(page), [""; 0]);
    }

    #[test]
    fn keys_and_values_that_do_not_exist_are_found() {
        let page = "`epocs = 3` `tuning = \"nothing\"`\n\n    run --set train.epoch=3 --set train.epochs=many\n\n```toml\n\
            id = \"a\"\n[data]\nsource = \"phantom\"\npath = \"x\"\n```\n\n```toml\nname = \"b\"\n[folds]\na = [1]\n```\n\
            ```toml\nname =\n```\n";
        let list = "; docs/configuration.md lists";
        assert_eq!(
            found(page),
            [
                format!("a.md:9: no file has the key `data.path` there{list} them"),
                format!("a.md:15: the key `folds.a` can't be 1{list} what it can be"),
                "a.md:18: the block is no TOML; mend it".to_owned(),
                format!("a.md:1: no file has the key `epocs` there{list} them"),
                format!("a.md:1: the key `tuning` can't be \"nothing\"{list} what it can be"),
                format!("a.md:3: no file has the key `train.epoch` there{list} them"),
                format!("a.md:3: the key `train.epochs` can't be \"many\"{list} what it can be"),
            ]
        );
    }
}
