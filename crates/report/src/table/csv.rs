//! A table as CSV.

use polars::prelude::{Column, CsvWriter, DataFrame, PolarsResult, SerWriter};

use super::model::{Cell, Table, rounded};
use crate::error::ReportError;

/// Beyond this many decimals stands only the rounding noise of percent = 100 * share.
const DECIMALS: usize = 6;

impl Table {
    /// Comma-separated, header first, six decimals, an empty field where a value is missing. A column
    /// without words is a column of numbers; one of counts has no decimals.
    ///
    /// # Errors
    /// Two columns have one name.
    pub fn to_csv(&self) -> Result<String, ReportError> {
        let write = || -> PolarsResult<Vec<u8>> {
            let columns = (0..self.columns.len()).map(|index| self.csv_column(index)).collect();
            let mut csv = Vec::new();
            CsvWriter::new(&mut csv).finish(&mut DataFrame::new(self.rows.len(), columns)?)?;
            Ok(csv)
        };
        let failed = |reason: String| ReportError::Draw { name: self.id.clone(), reason };
        let csv = write().map_err(|error| failed(error.to_string()))?;
        String::from_utf8(csv).map_err(|error| failed(error.to_string()))
    }

    fn csv_column(&self, index: usize) -> Column {
        let cells = || self.rows.iter().map(|(_, row)| &row[index]);
        let name = self.columns[index].id.as_str().into();
        if !self.is_numeric(index) {
            let text = |cell: &Cell| match cell {
                Cell::Text(text) => Some(text.clone()),
                Cell::Number(value, _) => Some(value.to_string()),
                Cell::Missing => None,
            };
            return Column::new(name, cells().map(text).collect::<Vec<_>>());
        }
        let number = |cell: &Cell| if let Cell::Number(value, _) = cell { Some(*value) } else { None };
        if cells().any(|cell| matches!(cell, Cell::Number(_, 1..))) {
            let values = cells().map(|cell| Some(rounded(number(cell)?, DECIMALS)));
            Column::new(name, values.collect::<Vec<_>>())
        } else {
            Column::new(name, cells().map(|cell| Some(number(cell)?.round() as i64)).collect::<Vec<_>>())
        }
    }
}
