//! The tables of keys in `docs/configuration.md`, made from the types that files are read into.

use super::super::page::anchor;
use super::super::tree::{Finding, Tree};
use super::bounds::Bounds;
use super::schema::Schema;
use super::shape::{Field, Holds, Shape, Type, Variant, inside, names_in};

/// The page with the tables. Between `<!-- keys: Type -->` and [`END`] stands what is made.
pub const PAGE: &str = "docs/configuration.md";
const END: &str = "<!-- end -->";

/// The type whose table begins at this line of the page.
pub fn marked(line: &str) -> Option<&str> {
    line.trim().strip_prefix("<!-- keys: ")?.strip_suffix(" -->")
}

/// The page with all its tables made anew, and what keeps that from being done.
pub fn renew(tree: &Tree, schema: &Schema, page: &str) -> (String, Vec<Finding>) {
    let mut found = Vec::new();
    let mut renewed = String::new();
    let mut lines = page.lines().enumerate();
    let tables = Tables { schema, bounds: Bounds::read(tree, schema), sections: sections(page) };
    found.extend(tables.bounds.unknown(schema).into_iter().map(|key| {
        Finding::new(PAGE, 1, format!("there are bounds for `{key}`, which is no key of an experiment"))
    }));
    while let Some((at, line)) = lines.next() {
        renewed += line;
        renewed.push('\n');
        let Some(name) = marked(line) else { continue };
        let is_closed = lines.by_ref().any(|(_, line)| line == END);
        if !is_closed {
            found.push(Finding::new(PAGE, at + 1, format!("the table has no end; write `{END}` after it")));
        }
        match schema.get(name, "") {
            Some(ty) => {
                renewed += &tables.table(ty);
                found.extend(tables.untold(ty, at + 1));
            }
            None => {
                let files = schema.files(name).join(", ");
                let what = if files.is_empty() {
                    format!("no type {name} that derives Deserialize; name one that there is")
                } else {
                    format!("more than one type {name} ({files}); give them names of their own")
                };
                found.push(Finding::new(PAGE, at + 1, format!("there is {what}")));
            }
        }
        renewed += END;
        renewed.push('\n');
    }
    let stale = page.lines().zip(renewed.lines()).position(|(old, new)| old != new);
    let stale = stale.or((page.lines().count() != renewed.lines().count()).then_some(0));
    if let Some(at) = stale.filter(|_| tree.has(PAGE)) {
        let text = "a table of keys differs from its struct; run `cargo xtask tidy --write`";
        found.push(Finding::new(PAGE, at + 1, text));
    }
    (renewed, found)
}

/// The types with a table, and the heading that each stands under.
fn sections(page: &str) -> Vec<(String, String)> {
    let mut heading = "";
    let mut sections = Vec::new();
    for line in page.lines() {
        if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim();
        } else if let Some(name) = marked(line) {
            sections.push((name.to_owned(), heading.to_owned()));
        }
    }
    sections
}

struct Tables<'a> {
    schema: &'a Schema,
    bounds: Bounds,
    sections: Vec<(String, String)>,
}

impl Tables<'_> {
    fn table(&self, ty: &Type) -> String {
        match &ty.shape {
            Shape::Struct(fields) => {
                let rows: String = fields.iter().map(|field| self.row("", field, ty)).collect();
                format!("| key | value | default | meaning |\n|---|---|---|---|\n{rows}")
            }
            Shape::Enum { tag, untagged, variants } => {
                let title = tag.as_ref().map_or_else(|| "written".to_owned(), |tag| format!("`{tag}`"));
                let rows: String =
                    variants.iter().map(|variant| self.form(variant, tag.as_ref(), *untagged, ty)).collect();
                format!("| {title} | key | value | default | meaning |\n|---|---|---|---|---|\n{rows}")
            }
        }
    }

    fn form(&self, variant: &Variant, tag: Option<&String>, untagged: bool, of: &Type) -> String {
        let (name, near) = (&variant.name, of.file.as_str());
        let (form, fields) = match &variant.holds {
            Holds::Nothing => (format!("`\"{name}\"`"), None),
            Holds::Value(ty) if untagged => (self.value(ty, near), None),
            Holds::Value(ty) => (format!("`{{ {name} = .. }}`: {}", self.value(ty, near)), None),
            Holds::Keys(fields) if tag.is_some() => (format!("`\"{name}\"`"), Some(fields)),
            Holds::Keys(fields) if untagged => ("a table".to_owned(), Some(fields)),
            Holds::Keys(fields) => (format!("`{{ {name} = {{ .. }} }}`"), Some(fields)),
        };
        let rows: String = fields.into_iter().flatten().map(|field| self.row("| ", field, of)).collect();
        format!("| {form} | | | | {} |\n{rows}", cell(&variant.doc))
    }

    fn row(&self, start: &str, field: &Field, of: &Type) -> String {
        let near = of.file.as_str();
        // Where an option's default depends on other keys, its documentation says it.
        let (doc, said) = match field.doc.split_once("Default: ") {
            Some((before, said)) if field.ty.starts_with("Option<") => {
                (before.trim(), Some(said.trim_end_matches('.')))
            }
            _ => (field.doc.as_str(), None),
        };
        let default = match (said, field.default.as_deref()) {
            (Some(said), _) => said.to_owned(),
            (None, None) => "required".to_owned(),
            (None, Some("none")) => "none".to_owned(),
            (None, Some("")) => self.default_of(&field.ty, near),
            (None, Some(value)) => format!("`{value}`"),
        };
        let bounds = self.bounds.of(&of.name, &field.key).map_or_else(String::new, |words| format!(", {words}"));
        format!(
            "{start}| `{}` | {}{bounds} | {} | {} |\n",
            field.key,
            self.value(&field.ty, near),
            cell(&default),
            cell(doc)
        )
    }

    /// A Rust type in words.
    fn value(&self, ty: &str, near: &str) -> String {
        if let Some(inner) = inside(ty, "Option").or_else(|| inside(ty, "Box")) {
            return self.value(inner, near);
        }
        if let Some(inner) = inside(ty, "Vec") {
            return format!("list of {}", self.values(inner, near));
        }
        if let Some((_, inner)) = inside(ty, "BTreeMap").and_then(|inner| inner.split_once(',')) {
            return format!("table: any name = {}", self.value(inner, near));
        }
        if let Some((inner, n)) = ty.strip_prefix('[').and_then(|ty| ty.strip_suffix(']')?.split_once(';')) {
            return format!("list of {n} {}", self.values(inner, near));
        }
        match ty {
            "bool" => "`true` or `false`".to_owned(),
            "String" => "text".to_owned(),
            "PathBuf" => "path".to_owned(),
            "f32" | "f64" => "number".to_owned(),
            "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "whole number".to_owned(),
            other => self.named(other, near),
        }
    }

    fn values(&self, ty: &str, near: &str) -> String {
        match self.value(ty, near).as_str() {
            plain @ ("text" | "path" | "number" | "whole number") => format!("{plain}s"),
            other => {
                other.strip_prefix("table:").map_or_else(|| other.to_owned(), |keys| format!("tables:{keys}"))
            }
        }
    }

    /// A type of this project: a link to its table, or, where it is short, what it looks like.
    fn named(&self, name: &str, near: &str) -> String {
        if let Some((_, heading)) = self.sections.iter().find(|(section, _)| section == name) {
            return format!("[{}](#{})", heading.replace('`', ""), anchor(heading));
        }
        let Some(ty) = self.schema.get(name, near) else { return format!("`{name}`") };
        match &ty.shape {
            Shape::Struct(fields) => {
                let keys =
                    fields.iter().map(|field| format!("`{}` = {}", field.key, self.value(&field.ty, &ty.file)));
                format!("table: {}", keys.collect::<Vec<_>>().join(", "))
            }
            Shape::Enum { variants, .. } => {
                let forms = variants.iter().map(|variant| match &variant.holds {
                    Holds::Value(inner) => self.value(inner, &ty.file),
                    _ => format!("`\"{}\"`", variant.name),
                });
                forms.collect::<Vec<_>>().join(if ty.is_choice() { ", " } else { " or " })
            }
        }
    }

    fn default_of(&self, name: &str, near: &str) -> String {
        match self.schema.get(name, near).map(|ty| &ty.shape) {
            Some(Shape::Enum { variants, .. }) => {
                let default = variants.iter().find(|variant| variant.is_default);
                default.map_or_else(|| "its own".to_owned(), |variant| format!("`\"{}\"`", variant.name))
            }
            _ => "all defaults".to_owned(),
        }
    }

    /// Keys without documentation, and keys whose own keys have no table.
    fn untold(&self, ty: &Type, line: usize) -> Vec<Finding> {
        let mut found = Vec::new();
        for field in ty.fields() {
            if field.doc.is_empty() {
                let text = format!("the key `{}` says nothing; document the field in {}", field.key, ty.file);
                found.push(Finding::new(PAGE, line, text));
            }
            for name in names_in(&field.ty) {
                let is_long = self.schema.get(name, &ty.file).is_some_and(|ty| !is_short(ty));
                if is_long && !self.sections.iter().any(|(section, _)| section == name) {
                    let text = format!(
                        "the keys of `{}` ({name}) have no table; write `<!-- keys: {name} -->`",
                        field.key
                    );
                    found.push(Finding::new(PAGE, line, text));
                }
            }
        }
        found
    }
}

/// Whether a type can be shown inside the row of a key.
fn is_short(ty: &Type) -> bool {
    match &ty.shape {
        Shape::Struct(fields) => fields.len() <= 2,
        Shape::Enum { untagged: true, variants, .. } => {
            variants.iter().all(|variant| matches!(variant.holds, Holds::Value(_)))
        }
        Shape::Enum { .. } => ty.is_choice(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::lines;
    use super::*;

    const SOURCE: &str = r#"
        #[derive(Deserialize)]
        pub struct Train {
            /// Passes | over all.
            pub epochs: usize,
            /// Pixels. Default: 128.
            pub size: Option<usize>,
            /// As they lie.
            #[serde(default)]
            pub order: Order,
            /// A pair.
            pub pair: Vec<Pair>,
            /// Or
            /// more.
            pub values: Values,
            /// Schemes.
            pub tuning: Option<Vec<Tuning>>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Order { #[default] Zyx, Zxy }
        #[derive(Deserialize)]
        struct Pair { code: u8, name: String }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Values { One(f64), Each(Vec<f64>) }
        #[derive(Deserialize)]
        #[serde(tag = "scheme", rename_all = "snake_case")]
        pub enum Tuning { /// Nothing.
            None, /// SAMed.
            Lora { /// The rank.
                rank: usize } }
    "#;

    const RENEWED: &str = "\
# Keys
## Training `train`
<!-- keys: Train -->
| key | value | default | meaning |
|---|---|---|---|
| `epochs` | whole number | required | Passes \\| over all. |
| `size` | whole number | 128 | Pixels. |
| `order` | `\"zyx\"`, `\"zxy\"` | `\"zyx\"` | As they lie. |
| `pair` | list of tables: `code` = whole number, `name` = text | required | A pair. |
| `values` | number or list of numbers | required | Or more. |
| `tuning` | list of [Tuning](#tuning) | none | Schemes. |
<!-- end -->
## Tuning
<!-- keys: Tuning -->
| `scheme` | key | value | default | meaning |
|---|---|---|---|---|
| `\"none\"` | | | | Nothing. |
| `\"lora\"` | | | | SAMed. |
| | `rank` | whole number | required | The rank. |
<!-- end -->
";

    fn renewed(page: &str) -> (String, Vec<String>) {
        let tree = Tree::of(&[("crates/a/src/lib.rs", SOURCE), (PAGE, page)]);
        let (text, found) = renew(&tree, &Schema::read(&tree), page);
        (text, lines(&found))
    }

    #[test]
    fn tables_are_made_from_the_types() {
        let empty = "# Keys\n## Training `train`\n<!-- keys: Train -->\n<!-- end -->\n## Tuning\n<!-- keys: Tuning -->\nold\n<!-- end -->\n";
        let (text, found) = renewed(empty);
        assert_eq!(text, RENEWED);
        let stale =
            "docs/configuration.md:4: a table of keys differs from its struct; run `cargo xtask tidy --write`";
        assert_eq!(found, [stale]);
        assert_eq!(renewed(RENEWED), (RENEWED.to_owned(), Vec::new()));
    }

    #[test]
    fn bounds_stand_beside_their_keys_and_no_others() {
        let source = r#"
            #[derive(Deserialize)]
            struct Experiment { /// Training.
                train: Train, /// Cases.
                cases: Cases }
            #[derive(Deserialize)]
            struct Train { /// Passes.
                epochs: usize, /// Rates.
                rates: Vec<f64> }
            #[derive(Deserialize)]
            #[serde(untagged)]
            enum Cases { Split(String), Held(Held) }
            #[derive(Deserialize)]
            struct Held { /// Cases.
                hold_out: usize }
        "#;
        let bounds = "    (\"train.epochs\", 1.0, 100_000.0),\n    (\"train.rates\", 0.5, 1e9),\n    \
                      (\"cases.hold_out\", 1.0, 5.0),\n    (\"train.gone\", 0.0, 1.0),\n";
        let page = "<!-- keys: Train -->\n<!-- end -->\n<!-- keys: Held -->\n<!-- end -->\n";
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", source),
            ("crates/experiments/src/bounds.rs", bounds),
            (PAGE, page),
        ]);
        let (text, found) = renew(&tree, &Schema::read(&tree), page);
        assert!(text.contains("| `epochs` | whole number, 1 to 100000 | required | Passes. |"), "{text}");
        assert!(text.contains("| `rates` | list of numbers, 0.5 to 1e9 | required | Rates. |"), "{text}");
        assert!(text.contains("| `hold_out` | whole number, 1 to 5 | required | Cases. |"), "{text}");
        assert!(lines(&found)[0].contains("`train.gone`"), "{found:?}");
    }

    #[test]
    fn types_without_a_table_and_tables_without_a_type_are_found() {
        let (_, found) = renewed("<!-- keys: Train -->\n<!-- end -->\n<!-- keys: Nothing -->\n");
        assert_eq!(
            found[..3],
            [
                "docs/configuration.md:1: the keys of `tuning` (Tuning) have no table; write `<!-- keys: Tuning -->`",
                "docs/configuration.md:3: the table has no end; write `<!-- end -->` after it",
                "docs/configuration.md:3: there is no type Nothing that derives Deserialize; name one that there is",
            ]
        );
    }
}
