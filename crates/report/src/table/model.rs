//! A table as data.

/// What stands in one cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, and with how many decimals it is printed; CSV keeps six, or none where this is 0.
    Number(f64, usize),
    /// Not measured or not known.
    Missing,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number that may be missing.
    pub fn number(value: Option<f64>, decimals: usize) -> Self {
        value.filter(|value| value.is_finite()).map_or(Self::Missing, |value| Self::Number(value, decimals))
    }

    /// A share in percent.
    pub fn percent(share: Option<f64>, decimals: usize) -> Self {
        Self::number(share.map(|share| 100.0 * share), decimals)
    }

    /// As it is printed.
    pub fn printed(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(value, decimals) => format!("{:.decimals$}", rounded(*value, *decimals)),
            Self::Missing => "–".into(),
        }
    }
}

/// The value with so many decimals, never a negative zero, which would print as `-0.00`.
pub fn rounded(value: f64, decimals: usize) -> f64 {
    let scale = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    (value * scale).round() / scale + 0.0
}

/// A column: its name in CSV, its heading in print.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name in CSV, with the unit.
    pub id: String,
    /// Heading in Markdown and HTML, with the unit; `None` leaves the column to the CSV.
    pub heading: Option<String>,
    /// Whether a page writes it below the first column's words: what tells rows apart stays in sight with them.
    pub is_below: bool,
}

impl Column {
    /// A column of all three forms.
    pub fn new(id: impl Into<String>, heading: impl Into<String>) -> Self {
        Self { id: id.into(), heading: Some(heading.into()), is_below: false }
    }

    /// A column of the CSV alone.
    pub fn csv_only(id: impl Into<String>) -> Self {
        Self { id: id.into(), heading: None, is_below: false }
    }
}

/// How a row is set off from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emphasis {
    /// A row of ours.
    Ours,
    /// The recommended setting, or what a reader should look at first.
    Recommended,
    /// Somebody else's published result.
    Published,
}

impl Emphasis {
    /// That of a row of ours.
    pub fn ours(is_recommended: bool) -> Self {
        if is_recommended { Self::Recommended } else { Self::Ours }
    }
}

/// A table of the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// File name without ending.
    pub id: String,
    /// Heading.
    pub title: String,
    /// Said above the notes where the table stands alone; pages say it once for all of their tables.
    pub notice: Option<&'static str>,
    /// What a reader must know; printed below the table.
    pub notes: Vec<String>,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each as wide as `columns`.
    pub rows: Vec<(Emphasis, Vec<Cell>)>,
}

impl Table {
    /// An empty table with these columns, name and heading; one without a heading is left to the CSV.
    pub fn new(id: impl Into<String>, title: impl Into<String>, columns: &[(&str, &str)]) -> Self {
        let column = |&(id, heading): &(&str, &str)| {
            if heading.is_empty() { Column::csv_only(id) } else { Column::new(id, heading) }
        };
        Self {
            id: id.into(),
            title: title.into(),
            notice: None,
            notes: Vec::new(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// The table whose columns of these names a page writes below the first column's words.
    #[must_use]
    pub fn with_below(mut self, ids: &[&str]) -> Self {
        self.columns.iter_mut().for_each(|column| column.is_below = ids.contains(&column.id.as_str()));
        self
    }

    /// Whether a page writes a column below the first column's words.
    pub fn is_below(&self, index: usize) -> bool {
        self.columns[index].is_below
    }

    /// The printed columns that hold a value in some row, by index, with their headings.
    pub fn printed_columns(&self) -> impl Iterator<Item = (usize, &str)> {
        self.columns.iter().enumerate().filter_map(|(index, column)| {
            let empty = self.rows.iter().all(|(_, row)| row[index] == Cell::Missing);
            column.heading.as_deref().filter(|_| !empty).map(|heading| (index, heading))
        })
    }

    /// Whether no cell of a column holds words.
    pub fn is_numeric(&self, index: usize) -> bool {
        self.rows.iter().all(|(_, row)| !matches!(row[index], Cell::Text(_)))
    }
}
