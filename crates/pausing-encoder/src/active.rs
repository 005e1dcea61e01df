//! Which tokens are active, and which of their rows attend to which.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use fastersam_kernels::{Place, RaggedLayout, Segment};

use crate::config::WindowPadding;

/// The active tokens of a batch: the grid indices of each image, ascending. Their packed rows follow
/// each other in this order, image after image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveTokens {
    pub grid: usize,
    pub images: Vec<Vec<u32>>,
}

impl ActiveTokens {
    /// Every token of `batch` images.
    pub fn all(batch: usize, grid: usize) -> Self {
        let places: Vec<u32> = (0..(grid * grid) as u32).collect();
        Self { grid, images: vec![places; batch] }
    }

    pub fn n_tokens(&self) -> usize {
        self.grid * self.grid
    }

    /// Number of packed rows.
    pub fn len(&self) -> usize {
        self.images.iter().map(Vec::len).sum()
    }

    pub fn is_all(&self) -> bool {
        self.len() == self.images.len() * self.n_tokens()
    }

    /// `image * n_tokens + place` of each packed row.
    pub fn rows(&self) -> Vec<u32> {
        let n = self.n_tokens() as u32;
        (0_u32..)
            .zip(&self.images)
            .flat_map(|(image, places)| places.iter().map(move |place| image * n + place))
            .collect()
    }
}

/// How the packed rows of one block's attention are ordered and cut into segments.
#[derive(Clone, Debug)]
pub(crate) struct AttentionPlan {
    pub layout: Arc<RaggedLayout>,
    /// Order of the query rows, where it is not the packed one, and the way back.
    pub queries: Option<(Tensor<1, Int>, Tensor<1, Int>)>,
    /// Key rows out of: packed rows, then frozen rows, then one row of padding; `None` where keys and
    /// queries are the same rows.
    pub keys: Option<Tensor<1, Int>>,
}

/// Indices as a tensor.
pub(crate) fn indices(rows: impl IntoIterator<Item = u32>, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.into_iter().map(i64::from).collect();
    let n = rows.len();
    Tensor::from_data(TensorData::new(rows, [n]), device)
}

impl AttentionPlan {
    /// The plan for the active tokens.
    ///
    /// `window` is the side of the windows, `None` for global attention; `frozen` are the rows
    /// (`image * n + place`) of paused tokens whose keys and values take part, in the order in which
    /// they follow the packed rows.
    pub fn new(
        active: &ActiveTokens,
        window: Option<usize>,
        padding: WindowPadding,
        frozen: &[u32],
        device: &Device,
    ) -> Self {
        let grid = active.grid;
        let side = window.unwrap_or(grid).max(1);
        let per_axis = grid.div_ceil(side);
        let n_windows = per_axis * per_axis;
        let n_segments = active.images.len() * n_windows;
        let pad_row = (active.len() + frozen.len()) as u32;

        let segment_of = |image: usize, place: u32| {
            let (row, col) = (place as usize / grid, place as usize % grid);
            image * n_windows + (row / side) * per_axis + col / side
        };
        let inside = |place: u32| Place {
            row: (place as usize / grid % side) as u16,
            col: (place as usize % grid % side) as u16,
        };

        // (packed row, place in the window) of the queries and keys of each segment.
        let mut queries: Vec<Vec<(u32, Place)>> = vec![Vec::new(); n_segments];
        let mut packed_row = 0;
        for (image, places) in active.images.iter().enumerate() {
            for &place in places {
                queries[segment_of(image, place)].push((packed_row, inside(place)));
                packed_row += 1;
            }
        }
        let mut keys = queries.clone();
        for (i, &row) in frozen.iter().enumerate() {
            let (image, place) = (row as usize / active.n_tokens(), row % active.n_tokens() as u32);
            keys[segment_of(image, place)].push((packed_row + i as u32, inside(place)));
        }
        let pads = window.is_some() && padding == WindowPadding::Sam && grid % side != 0;
        if pads {
            for (segment, keys) in keys.iter_mut().enumerate() {
                let (window_row, window_col) =
                    (segment % n_windows / per_axis * side, segment % per_axis * side);
                for row in 0..side {
                    for col in 0..side {
                        if window_row + row >= grid || window_col + col >= grid {
                            keys.push((pad_row, Place { row: row as u16, col: col as u16 }));
                        }
                    }
                }
            }
        }
        // A window without active tokens is skipped, and its keys with it.
        for (queries, keys) in queries.iter().zip(&mut keys) {
            if queries.is_empty() {
                keys.clear();
            }
        }

        let mut layout = RaggedLayout::default();
        let (mut n_queries, mut n_keys) = (0, 0);
        for (queries, keys) in queries.iter().zip(&keys) {
            layout.segments.push(Segment {
                queries: n_queries..n_queries + queries.len(),
                keys: n_keys..n_keys + keys.len(),
            });
            n_queries += queries.len();
            n_keys += keys.len();
        }
        layout.query_places = queries.iter().flatten().map(|(_, place)| *place).collect();
        layout.key_places = keys.iter().flatten().map(|(_, place)| *place).collect();

        let order: Vec<u32> = queries.iter().flatten().map(|(row, _)| *row).collect();
        let is_packed_order = order.is_sorted();
        let queries = (!is_packed_order).then(|| {
            let mut back = vec![0; order.len()];
            for (position, &row) in (0..).zip(&order) {
                back[row as usize] = position;
            }
            (indices(order.iter().copied(), device), indices(back, device))
        });
        let keys = (pads || !frozen.is_empty())
            .then(|| indices(keys.iter().flatten().map(|(row, _)| *row), device));
        Self { layout: Arc::new(layout), queries, keys }
    }
}
