//! Matrix products with packed weights.
//!
//! [`Panels`] hold a matrix as the kernel reads it: panels of two vectors' width, each from top to
//! bottom. The kernel keeps a tile of the result in registers while it walks down a panel, and adds
//! along k one by one, so that a row of the result depends on its own row of the left matrix only,
//! bit for bit, whatever the number of rows and threads. Weights that are packed once, at load, are
//! read in one stream: that pays most for few rows, where packing costs more than the product.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::math::gelu;
use super::memory::{Shared, View};
use super::simd::{Vector, multiversion, prefetch, width_of_two_vectors};

/// Panels are read in pieces of up to this many rows: the piece of the left matrix that belongs to it
/// stays in the second-level cache.
const DEPTH: usize = 1024;
/// Rows of the left matrix in one task, at most.
const TASK_ROWS: usize = 112;
/// Rows of the highest tile and lanes of the widest vector (those of AVX-512).
const TILE_ROWS: usize = 14;
const MAX_LANES: usize = 16;
/// Packing of fewer values stays on one thread.
const PARALLEL_VALUES: usize = 64 * 1024;

/// One cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);
const LINE: usize = 16;

/// A matrix `[k, n]` in panels of [`width_of_two_vectors`] columns, the last filled up with zeros.
#[derive(Default)]
pub(crate) struct Panels {
    lines: Vec<Line>,
    k: usize,
    n: usize,
}

impl fmt::Debug for Panels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Panels [{}, {}]", self.k, self.n)
    }
}

impl Panels {
    /// Columns of the matrix.
    pub fn n_cols(&self) -> usize {
        self.n
    }

    /// Packs a matrix with any strides.
    pub fn pack(matrix: View) -> Self {
        let mut panels = Self::default();
        panels.fill(matrix);
        panels
    }

    fn fill(&mut self, matrix: View) {
        let (k, n, width) = (matrix.n_rows, matrix.n_cols, width_of_two_vectors());
        (self.k, self.n) = (k, n);
        let lines = k * width / LINE;
        self.lines.resize(n.div_ceil(width) * lines, Line([0.0; LINE]));
        let pack = |(i, panel): (usize, &mut [Line])| {
            let (first, n_cols) = (i * width, width.min(n - i * width));
            // SAFETY: the matrix has these columns, the panel holds k rows of `width` values.
            unsafe { pack_panel(matrix, first, n_cols, panel.as_mut_ptr().cast(), width) };
        };
        if lines == 0 {
            return;
        }
        if k * n < PARALLEL_VALUES {
            self.lines.chunks_mut(lines).enumerate().for_each(pack);
        } else {
            self.lines.par_chunks_mut(lines).enumerate().for_each(pack);
        }
    }

    /// Where row `row` of a panel stands.
    fn row(&self, panel: usize, row: usize) -> *const f32 {
        let width = width_of_two_vectors();
        self.lines[(panel * self.k + row) * width / LINE..].as_ptr().cast()
    }
}

/// # Safety
/// The columns must exist and the panel hold `k` rows of `width` values.
unsafe fn pack_panel(matrix: View, first: usize, n_cols: usize, panel: *mut f32, width: usize) {
    unsafe {
        let start = matrix.start.offset(first as isize * matrix.col_stride);
        let by_rows = matrix.col_stride.abs() <= matrix.row_stride.abs();
        for outer in 0..if by_rows { matrix.n_rows } else { n_cols } {
            if by_rows {
                let source = start.offset(outer as isize * matrix.row_stride);
                let target = panel.add(outer * width);
                if matrix.col_stride == 1 {
                    source.copy_to_nonoverlapping(target, n_cols);
                } else {
                    for col in 0..n_cols {
                        *target.add(col) = *source.offset(col as isize * matrix.col_stride);
                    }
                }
            } else {
                let source = start.offset(outer as isize * matrix.col_stride);
                for row in 0..matrix.n_rows {
                    *panel.add(row * width + outer) = *source.offset(row as isize * matrix.row_stride);
                }
            }
        }
        // Memory that was used before may hold anything.
        if n_cols < width {
            for row in 0..matrix.n_rows {
                panel.add(row * width + n_cols).write_bytes(0, width - n_cols);
            }
        }
    }
}

thread_local! {
    /// Packed weights that are used once, kept from product to product.
    static PACKED: RefCell<Panels> = RefCell::new(Panels::default());
}

/// Calls `work` with a matrix packed for one use.
pub(crate) fn with_packed<T>(matrix: View, work: impl FnOnce(&Panels) -> T) -> T {
    // Taken out: a task that this thread runs while it waits may pack too.
    let mut panels = PACKED.with(RefCell::take);
    panels.fill(matrix);
    let result = work(&panels);
    PACKED.with(|kept| kept.replace(panels));
    result
}

/// The right side of a product: as it is, or packed before.
#[derive(Clone)]
pub(crate) enum Matrix {
    /// `[k, n]`
    Plain(FlexTensor),
    /// The same, packed.
    Packed(Arc<Panels>),
}

impl Matrix {
    pub fn n_cols(&self) -> usize {
        match self {
            Self::Plain(weight) => View::of(weight).n_cols,
            Self::Packed(panels) => panels.n_cols(),
        }
    }

    /// Calls `work` with the packed matrix.
    pub fn with_panels<T>(&self, work: impl FnOnce(&Panels) -> T) -> T {
        match self {
            Self::Plain(weight) => with_packed(View::of(weight), work),
            Self::Packed(panels) => work(panels),
        }
    }

    /// [`multiply`] with this matrix.
    ///
    /// # Safety
    /// As for [`multiply`].
    pub unsafe fn multiply(&self, target: *mut f32, rows: View, finish: Finish<'_>) {
        self.with_panels(|panels| unsafe { multiply(target, rows, panels, finish) });
    }
}

/// What is added to a product, and what becomes of it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Finish<'a> {
    /// The sums start from this matrix instead of zero. It may be the target itself.
    pub start: Option<View>,
    /// One value a column, added at the end.
    pub bias: Option<&'a [f32]>,
    /// GELU after the bias.
    pub gelu: bool,
}

/// `target = finish(a * b)`, with `[a.n_rows, b.n]` dense in the target.
///
/// # Safety
/// `a` and the start must be valid with dense rows, and the target writable.
pub(crate) unsafe fn multiply(target: *mut f32, a: View, b: &Panels, finish: Finish<'_>) {
    let (m, k, n) = (a.n_rows, b.k, b.n);
    assert_eq!(a.n_cols, k, "matrix product of [{m}, {}] and [{k}, {n}]", a.n_cols);
    assert!(finish.bias.is_none_or(|bias| bias.len() == n), "bias of a product with {n} columns");
    if m == 0 || n == 0 {
        return;
    }
    let n_panels = n.div_ceil(width_of_two_vectors());
    // Tasks: blocks of rows times groups of panels, some for each thread to even out.
    let block = m.div_ceil(m.div_ceil(TASK_ROWS)).next_multiple_of(TILE_ROWS);
    let n_blocks = m.div_ceil(block);
    let n_groups = (4 * rayon::current_num_threads()).div_ceil(n_blocks).min(n_panels);
    let group = n_panels.div_ceil(n_groups);
    let n_groups = n_panels.div_ceil(group);
    let target = Shared(target);
    let task = |task: usize| {
        let (first, panels) = (task / n_groups * block, task % n_groups * group);
        // SAFETY: these rows and panels exist; no other task writes there.
        unsafe {
            let rows = View { start: a.row(first), n_rows: block.min(m - first), ..a };
            let start = finish.start.map(|view| View { start: view.row(first), ..view });
            let target = target.get().add(first * n);
            multiply_panels(target, rows, b, panels..(panels + group).min(n_panels), Finish { start, ..finish });
        }
    };
    let n_tasks = n_blocks * n_groups;
    if n_tasks == 1 || m * n * k < PARALLEL_VALUES {
        (0..n_tasks).for_each(task);
    } else {
        (0..n_tasks).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// [`multiply`] on this thread.
///
/// # Safety
/// As for [`multiply`].
pub(crate) unsafe fn multiply_block(target: *mut f32, a: View, b: &Panels, finish: Finish<'_>) {
    assert_eq!(a.n_cols, b.k, "matrix product with [{}, {}]", b.k, b.n);
    if a.n_rows > 0 {
        let n_panels = b.n.div_ceil(width_of_two_vectors());
        unsafe { multiply_panels(target, a, b, 0..n_panels, finish) };
    }
}

/// The columns of some panels.
unsafe fn multiply_panels(target: *mut f32, a: View, b: &Panels, panels: Range<usize>, finish: Finish<'_>) {
    let (k, n, width) = (b.k, b.n, width_of_two_vectors());
    let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
    let mut row = 0;
    loop {
        let length = depth.min(k - row);
        let is_last = row + length == k;
        for panel in panels.clone() {
            let col = panel * width;
            // SAFETY: these rows and columns exist.
            unsafe {
                let target = target.add(col);
                let start = match finish.start {
                    _ if row > 0 => Some((target.cast_const(), n)),
                    Some(view) => Some((view.start.add(col), view.row_stride as usize)),
                    None => None,
                };
                let piece = Piece {
                    a: a.start.add(row),
                    a_stride: a.row_stride as usize,
                    panel: b.row(panel, row),
                    k: length,
                    start,
                    target,
                    target_stride: n,
                    n_cols: width.min(n - col),
                    bias: finish.bias.filter(|_| is_last).map(|bias| bias[col..].as_ptr()),
                    gelu: finish.gelu && is_last,
                };
                multiply_piece(a.n_rows, &piece);
            }
        }
        row += length;
        if is_last {
            return;
        }
    }
}

/// A product of some rows with a piece of one panel.
#[derive(Clone, Copy)]
struct Piece {
    a: *const f32,
    a_stride: usize,
    panel: *const f32,
    k: usize,
    /// What the sums start from, and its stride.
    start: Option<(*const f32, usize)>,
    target: *mut f32,
    target_stride: usize,
    n_cols: usize,
    bias: Option<*const f32>,
    gelu: bool,
}

/// Repeats a block for each row of a tile, written out: with constant indices the compiler keeps the
/// sums in registers.
macro_rules! each_row {
    ($rows:ident, $row:ident => $body:block) => {
        each_row!(@ $rows, $row, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    (@ $rows:ident, $row:ident, $body:block, $($number:literal)*) => {
        $(if $number < $rows {
            let $row: usize = $number;
            $body
        })*
    };
}

/// A tile of `ROWS` rows and two whole vectors.
#[inline(always)]
unsafe fn tile<V: Vector, const ROWS: usize>(piece: &Piece) {
    /// How many rows of a panel ahead the next are asked for.
    const AHEAD: usize = 12;
    unsafe {
        let &Piece { a, a_stride, panel, k, start, target, target_stride, bias, .. } = piece;
        let mut low = [V::splat(0.0); TILE_ROWS];
        let mut high = [V::splat(0.0); TILE_ROWS];
        if let Some((start, start_stride)) = start {
            each_row!(ROWS, row => {
                low[row] = V::load(start.add(row * start_stride));
                high[row] = V::load(start.add(row * start_stride + V::LANES));
            });
        }
        let mut weights = panel;
        for i in 0..k {
            prefetch(weights.wrapping_add(AHEAD * 2 * V::LANES));
            prefetch(weights.wrapping_add(AHEAD * 2 * V::LANES + V::LANES));
            let low_weights = V::load(weights);
            let high_weights = V::load(weights.add(V::LANES));
            let a = a.add(i);
            each_row!(ROWS, row => {
                let value = V::splat(*a.add(row * a_stride));
                low[row] = value.mul_add(low_weights, low[row]);
                high[row] = value.mul_add(high_weights, high[row]);
            });
            weights = weights.add(2 * V::LANES);
        }
        if let Some(bias) = bias {
            let (low_bias, high_bias) = (V::load(bias), V::load(bias.add(V::LANES)));
            each_row!(ROWS, row => {
                low[row] = low[row].add(low_bias);
                high[row] = high[row].add(high_bias);
            });
        }
        each_row!(ROWS, row => {
            low[row].store(target.add(row * target_stride));
            high[row].store(target.add(row * target_stride + V::LANES));
        });
    }
}

unsafe fn copy_rows(
    source: *const f32,
    source_stride: usize,
    target: *mut f32,
    target_stride: usize,
    n_rows: usize,
    n: usize,
) {
    for row in 0..n_rows {
        unsafe {
            let source = source.add(row * source_stride);
            source.copy_to_nonoverlapping(target.add(row * target_stride), n);
        }
    }
}

#[inline(always)]
unsafe fn multiply_body<V: Vector>(n_rows: usize, piece: &Piece) {
    let width = 2 * V::LANES;
    // A panel that is not full goes through a whole tile beside the target.
    let is_narrow = piece.n_cols < width;
    let mut beside = [0.0_f32; TILE_ROWS * 2 * MAX_LANES];
    let mut bias = [0.0_f32; 2 * MAX_LANES];
    let mut row = 0;
    while row < n_rows {
        // Tiles of about equal height.
        let left = n_rows - row;
        let height = left.div_ceil(left.div_ceil(V::TILE_ROWS));
        unsafe {
            let own = Piece {
                a: piece.a.add(row * piece.a_stride),
                start: piece.start.map(|(start, stride)| (start.add(row * stride), stride)),
                target: piece.target.add(row * piece.target_stride),
                ..*piece
            };
            let mut whole = own;
            if is_narrow {
                whole.target = beside.as_mut_ptr();
                whole.target_stride = width;
                if let Some((start, stride)) = own.start {
                    copy_rows(start, stride, whole.target, width, height, own.n_cols);
                    whole.start = Some((whole.target, width));
                }
                if let Some(own_bias) = own.bias {
                    own_bias.copy_to_nonoverlapping(bias.as_mut_ptr(), own.n_cols);
                    whole.bias = Some(bias.as_ptr());
                }
            }
            macro_rules! of_height {
                ($($rows:literal)*) => {
                    match height {
                        $($rows if $rows <= V::TILE_ROWS => tile::<V, $rows>(&whole),)*
                        _ => unreachable!("a tile has at most 14 rows"),
                    }
                };
            }
            of_height!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            if piece.gelu {
                for row in 0..height {
                    for part in [0, V::LANES] {
                        let target = whole.target.add(row * whole.target_stride + part);
                        gelu(V::load(target)).store(target);
                    }
                }
            }
            if is_narrow {
                copy_rows(whole.target, width, own.target, own.target_stride, height, own.n_cols);
            }
        }
        row += height;
    }
}
multiversion! {
    /// A piece for `n_rows` rows.
    fn multiply_piece(n_rows: usize, piece: &Piece) = multiply_body;
}
