//! SAM's window partition, for ragged rows: which rows of the active tokens attend to which.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor};
use fastersam_kernels::{GridPos, RaggedLayout};

use crate::active::{ActiveTokens, PausedTokens, indices};
use crate::config::WindowPadding;

/// How the ragged rows of one block's attention are ordered and cut into sequences: one a window of an image, or,
/// with global attention, one an image. Made once for a set of active tokens and used by all blocks of its kind.
#[derive(Clone, Debug)]
pub(crate) struct AttentionPlan {
    pub layout: Arc<RaggedLayout>,
    /// Order of the query rows, where it is not the ragged one, and the way back.
    queries: Option<(Tensor<1, Int>, Tensor<1, Int>)>,
    /// Key rows out of: ragged rows, then frozen rows, then one row of padding; `None` where keys and
    /// queries are the same rows.
    pub keys: Option<Tensor<1, Int>>,
    /// Features of the paused tokens whose keys and values take part.
    pub frozen: Option<Tensor<2>>,
}

/// A row and its position on the grid or in its window.
type PositionedRow = (u32, GridPos);

/// Where windows are cut, and which slot lies in which.
struct Windows {
    grid: usize,
    side: usize,
    per_axis: usize,
    class_token: bool,
    n_slots: usize,
}

impl Windows {
    fn count(&self) -> usize {
        self.per_axis * self.per_axis
    }

    /// The sequence of a slot, and its position inside.
    fn locate(&self, slot: u32) -> (usize, GridPos) {
        let (image, slot) = (slot as usize / self.n_slots, slot as usize % self.n_slots);
        // A class token (slot 0) has no position; there are neither windows nor relative positions then.
        let place = slot.saturating_sub(usize::from(self.class_token));
        let (row, col) = (place / self.grid, place % self.grid);
        let window = (row / self.side) * self.per_axis + col / self.side;
        let inside = GridPos { row: (row % self.side) as u16, col: (col % self.side) as u16 };
        (image * self.count() + window, inside)
    }

    /// The positions of a sequence's window that lie outside the grid: SAM's zero padding.
    fn padding(&self, sequence: usize) -> impl Iterator<Item = GridPos> + '_ {
        let window = sequence % self.count();
        let (top, left) = (window / self.per_axis * self.side, window % self.per_axis * self.side);
        let places = (0..self.side).flat_map(|row| (0..self.side).map(move |col| (row, col)));
        places
            .filter(move |(row, col)| top + row >= self.grid || left + col >= self.grid)
            .map(|(row, col)| GridPos { row: row as u16, col: col as u16 })
    }
}

impl AttentionPlan {
    /// The plan for the active tokens.
    ///
    /// `window` is the side of the windows, `None` for global attention; `paused` are the tokens
    /// whose keys and values take part as well.
    pub fn new(
        active: &ActiveTokens,
        window: Option<usize>,
        padding: WindowPadding,
        paused: Option<&PausedTokens>,
        device: &Device,
    ) -> Self {
        let side = window.unwrap_or(active.grid).max(1);
        let windows = Windows {
            grid: active.grid,
            side,
            per_axis: active.grid.div_ceil(side),
            class_token: active.class_token,
            n_slots: active.n_slots() as usize,
        };
        let n_sequences = active.images.len() * windows.count();

        let mut queries: Vec<Vec<PositionedRow>> = vec![Vec::new(); n_sequences];
        let mut n_rows = 0;
        for slot in active.slots() {
            let (sequence, position) = windows.locate(slot);
            queries[sequence].push((n_rows, position));
            n_rows += 1;
        }
        let mut keys = queries.clone();
        // A window without active tokens is skipped, and its frozen and padding keys with it.
        let mut frozen_rows = Vec::new();
        let paused_slots = paused.map_or(&[][..], |paused| &paused.slots);
        for (number, &slot) in (0..).zip(paused_slots) {
            let (sequence, position) = windows.locate(slot);
            if !queries[sequence].is_empty() {
                keys[sequence].push((n_rows + frozen_rows.len() as u32, position));
                frozen_rows.push(number);
            }
        }
        let has_padding = padding == WindowPadding::Sam && !active.grid.is_multiple_of(side);
        if has_padding {
            let padding_row = n_rows + frozen_rows.len() as u32;
            for (sequence, keys) in keys.iter_mut().enumerate() {
                if !keys.is_empty() {
                    keys.extend(windows.padding(sequence).map(|position| (padding_row, position)));
                }
            }
        }

        let has_other_keys = has_padding || !frozen_rows.is_empty();
        let frozen = paused
            .filter(|_| !frozen_rows.is_empty())
            .map(|paused| paused.features.clone().select(0, indices(frozen_rows, device)));
        Self {
            layout: Arc::new(layout(&queries, &keys)),
            queries: query_order(&queries, device),
            keys: has_other_keys.then(|| indices(keys.iter().flatten().map(|(row, _)| *row), device)),
            frozen,
        }
    }

    /// SAM's `window_partition` of ragged rows: those of a window behind each other, window after window. Windows
    /// hold no padding here; where it takes part, it is one row of the keys.
    pub fn window_partition(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.queries {
            Some((order, _)) => rows.select(0, order.clone()),
            None => rows,
        }
    }

    /// SAM's `window_unpartition`: the way back from [`window_partition`](Self::window_partition).
    pub fn window_unpartition(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.queries {
            Some((_, back)) => rows.select(0, back.clone()),
            None => rows,
        }
    }
}

fn layout(queries: &[Vec<PositionedRow>], keys: &[Vec<PositionedRow>]) -> RaggedLayout {
    let lengths = queries.iter().zip(keys).map(|(queries, keys)| (queries.len(), keys.len()));
    let positions = |rows: &[Vec<PositionedRow>]| rows.iter().flatten().map(|(_, position)| *position).collect();
    RaggedLayout::of_queries_and_keys(lengths).with_positions(positions(queries), positions(keys))
}

/// The order of the query rows and the way back, where it is not the ragged order anyway.
fn query_order(queries: &[Vec<PositionedRow>], device: &Device) -> Option<(Tensor<1, Int>, Tensor<1, Int>)> {
    let order: Vec<u32> = queries.iter().flatten().map(|(row, _)| *row).collect();
    if order.is_sorted() {
        return None;
    }
    let mut back = vec![0; order.len()];
    for (position, &row) in (0..).zip(&order) {
        back[row as usize] = position;
    }
    Some((indices(order, device), indices(back, device)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(active: &ActiveTokens, window: usize, padding: WindowPadding) -> AttentionPlan {
        AttentionPlan::new(active, Some(window), padding, None, &Device::flex())
    }

    #[test]
    fn windows_keep_their_padding_and_lose_paused_tokens() {
        // A 3 x 3 grid in windows of 2: the windows at the right and the bottom are padded.
        let mut active = ActiveTokens::all(1, 3, false);
        let lengths = |plan: &AttentionPlan| -> Vec<(usize, usize)> {
            plan.layout.sequences().iter().map(|s| (s.queries.len(), s.keys.len())).collect()
        };
        assert_eq!(lengths(&plan(&active, 2, WindowPadding::Sam)), [(4, 4), (2, 4), (2, 4), (1, 4)]);
        assert_eq!(lengths(&plan(&active, 2, WindowPadding::Masked)), [(4, 4), (2, 2), (2, 2), (1, 1)]);
        // Only the centre and the upper right corner go on: two windows are skipped altogether.
        active.images[0] = vec![2, 4];
        assert_eq!(lengths(&plan(&active, 2, WindowPadding::Sam)), [(1, 1), (1, 3), (0, 0), (0, 0)]);
    }
}
