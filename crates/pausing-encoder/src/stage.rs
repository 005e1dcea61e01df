//! What a pause point leaves behind.

use burn::tensor::{Bool, DType, Int, Tensor, TensorData};

use crate::active::indices;

/// What happened at one pause point.
#[derive(Clone, Debug)]
pub struct StageOutput {
    /// 0 is stage 0, `k` is after block `k` (1-based).
    pub point: usize,
    /// Class logits of the rows that were scored, `[rows, n_classes]`: the tokens that were active there and, on devices that
    /// pad rows, padding.
    pub logits: Tensor<2>,
    scores: Scores,
}

/// The tokens that were active at a pause point, as they are read from the device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoredTokens {
    /// `image * n_tokens + place` of each, ascending.
    pub rows: Vec<u32>,
    /// Class logits `[scored, n_classes]`, row after row.
    pub logits: Vec<f32>,
    /// How hard each is.
    pub criterion: Vec<f32>,
    /// Which of them stay active.
    pub kept: Vec<bool>,
}

#[derive(Clone, Debug)]
enum Scores {
    Host(ScoredTokens),
    Device(Box<DeviceScores>),
}

/// Scores that were never read from the device; `n` is the number of rows of an image, the first `counts` of them tokens.
#[derive(Clone, Debug)]
pub(crate) struct DeviceScores {
    /// Place on the grid, `[b, n]`.
    pub places: Tensor<2, Int>,
    /// `[b, n]`
    pub criterion: Tensor<2>,
    /// `[b, n]`
    pub kept: Tensor<2, Bool>,
    /// Tokens of each image that were active.
    pub counts: Vec<usize>,
    /// Places of the grid.
    pub n_tokens: usize,
}

impl StageOutput {
    pub(crate) fn on_host(point: usize, logits: Tensor<2>, tokens: ScoredTokens) -> Self {
        Self { point, logits, scores: Scores::Host(tokens) }
    }

    pub(crate) fn on_device(point: usize, logits: Tensor<2>, scores: DeviceScores) -> Self {
        Self { point, logits, scores: Scores::Device(Box::new(scores)) }
    }

    /// The tokens that were scored. Where they lie on a device, this waits for it.
    #[must_use]
    pub fn read(&self) -> ScoredTokens {
        match &self.scores {
            Scores::Host(tokens) => tokens.clone(),
            Scores::Device(scores) => scores.read(self.logits.clone().detach()),
        }
    }

    /// Out of one row a token of the batch, `[b * n_tokens, c]`, that of each row that was scored, `[rows, c]`, with zeros for
    /// padding; and how many of them are tokens.
    #[must_use]
    pub fn rows_of(&self, table: Tensor<2>) -> (Tensor<2>, usize) {
        match &self.scores {
            Scores::Host(tokens) => {
                let rows = indices(tokens.rows.iter().copied(), &table.device());
                (table.select(0, rows), tokens.rows.len())
            }
            Scores::Device(scores) => (scores.rows_of(table), scores.counts.iter().sum()),
        }
    }
}

impl DeviceScores {
    fn rows_of(&self, table: Tensor<2>) -> Tensor<2> {
        let ([b, n], device) = (self.places.dims(), table.device());
        let first = Tensor::<1, Int>::arange(0..b as i64, &device).mul_scalar(self.n_tokens as i64);
        let rows = table.select(0, (self.places.clone() + first.reshape([b, 1])).reshape([b * n]));
        if self.counts.iter().all(|&count| count == n) {
            return rows;
        }
        let is_token =
            self.counts.iter().flat_map(|&count| (0..n).map(move |row| if row < count { 1.0 } else { 0.0 }));
        let is_token: Vec<f32> = is_token.collect();
        rows * Tensor::from_data(TensorData::new(is_token, [b * n, 1]), &device)
    }

    /// In one transfer.
    fn read(&self, logits: Tensor<2>) -> ScoredTokens {
        let ([b, n], [_, n_classes]) = (self.places.dims(), logits.dims());
        let column = |values: Tensor<2>| values.cast(DType::F32).reshape([b * n, 1]);
        let columns = vec![
            column(self.places.clone().float()),
            column(self.criterion.clone()),
            column(self.kept.clone().float()),
            logits.cast(DType::F32),
        ];
        let data = Tensor::cat(columns, 1).into_data().convert::<f32>();
        let values = data.as_slice::<f32>().unwrap_or_default();
        let mut tokens = ScoredTokens::default();
        for (image, (&count, rows)) in self.counts.iter().zip(values.chunks_exact(n * (3 + n_classes))).enumerate()
        {
            for row in rows.chunks_exact(3 + n_classes).take(count) {
                tokens.rows.push((image * self.n_tokens) as u32 + row[0] as u32);
                tokens.criterion.push(row[1]);
                tokens.kept.push(row[2] > 0.5);
                tokens.logits.extend(&row[3..]);
            }
        }
        tokens
    }
}
