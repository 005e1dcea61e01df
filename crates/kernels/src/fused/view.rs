//! Matrices in memory: what kernels read and write, and the bounds that make it safe.

use std::marker::PhantomData;
use std::ops::Range;

use burn_flex::FlexTensor;

use super::memory::Slot;

/// A matrix of readable values somewhere in memory, with any strides: each of its elements can be read for as
/// long as the view lives. It is made with bounds checks, and only ever cut smaller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    start: *const f32,
    n_rows: usize,
    n_cols: usize,
    row_stride: isize,
    col_stride: isize,
    memory: PhantomData<&'a [f32]>,
}
// SAFETY: it is a shared reference to values.
unsafe impl Send for View<'_> {}
// SAFETY: as above.
unsafe impl Sync for View<'_> {}

impl<'a> View<'a> {
    /// A matrix `[n_rows, n_cols]` without gaps.
    pub fn of_rows(values: &'a [f32], [n_rows, n_cols]: [usize; 2]) -> Self {
        Self::new(values, 0, [n_rows, n_cols], [n_cols as isize, 1])
    }

    /// Of a tensor of rank 2.
    pub fn of(tensor: &'a FlexTensor) -> Self {
        let layout = tensor.layout();
        let (shape, strides) = (layout.shape(), layout.strides());
        assert!(shape.num_dims() == 2, "expected a matrix, found a tensor {shape:?}");
        Self::new(tensor.storage(), layout.start_offset(), [shape[0], shape[1]], [strides[0], strides[1]])
    }

    fn new(
        memory: &'a [f32],
        first: usize,
        [n_rows, n_cols]: [usize; 2],
        [row_stride, col_stride]: [isize; 2],
    ) -> Self {
        let mut view =
            Self { start: memory.as_ptr(), n_rows, n_cols, row_stride, col_stride, memory: PhantomData };
        if n_rows > 0 && n_cols > 0 {
            // Farthest before and after the first element. 128 bits hold any product of sizes and strides.
            let (mut low, mut high) = (first as i128, first as i128);
            for (n, stride) in [(n_rows, row_stride), (n_cols, col_stride)] {
                let reach = (n as i128 - 1) * stride as i128;
                (low, high) = (low + reach.min(0), high + reach.max(0));
            }
            assert!(
                low >= 0 && high < memory.len() as i128,
                "a matrix [{n_rows}, {n_cols}] with strides [{row_stride}, {col_stride}] from {first} on exceeds \
                 {} values",
                memory.len()
            );
            view.start = memory[first..].as_ptr();
        }
        view
    }

    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// `[n_rows, n_cols]`
    pub fn shape(&self) -> [usize; 2] {
        [self.n_rows, self.n_cols]
    }

    /// Where the first element stands, if there is one.
    pub fn as_ptr(&self) -> *const f32 {
        self.start
    }

    pub fn row_stride(&self) -> isize {
        self.row_stride
    }

    pub fn col_stride(&self) -> isize {
        self.col_stride
    }

    pub fn transposed(self) -> Self {
        Self {
            n_rows: self.n_cols,
            n_cols: self.n_rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// Some of its rows.
    pub fn rows(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.n_rows, "rows {rows:?} of {}", self.n_rows);
        // Of no rows, the start is never used, wherever it points.
        let start = self.start.wrapping_offset(rows.start as isize * self.row_stride);
        Self { start, n_rows: rows.len(), ..self }
    }

    /// Some of its columns.
    pub fn cols(self, cols: Range<usize>) -> Self {
        self.transposed().rows(cols).transposed()
    }

    /// Whether the values of a row lie beside each other, and rows behind each other.
    pub fn has_dense_rows(&self) -> bool {
        (self.col_stride == 1 || self.n_cols <= 1) && self.row_stride >= 0
    }

    /// The values of a row.
    pub fn row(&self, row: usize) -> &'a [f32] {
        assert!(row < self.n_rows && self.has_dense_rows(), "row {row} of {}", self.n_rows);
        if self.n_cols == 0 {
            return &[];
        }
        // SAFETY: the row exists, and its values lie beside each other.
        unsafe {
            let start = self.start.offset(row as isize * self.row_stride);
            std::slice::from_raw_parts(start, self.n_cols)
        }
    }
}

/// The tensor, copied where the values of a row do not lie beside each other.
pub(crate) fn dense_rows(tensor: FlexTensor) -> FlexTensor {
    if View::of(&tensor).has_dense_rows() { tensor } else { tensor.to_contiguous() }
}

/// A matrix to write, row by row: each of its elements can be written for as long as the view lives.
#[derive(Debug)]
pub(crate) struct ViewMut<'a> {
    start: *mut f32,
    shape: [usize; 2],
    stride: usize,
    memory: PhantomData<&'a mut [Slot]>,
}

impl<'a> ViewMut<'a> {
    /// A matrix `[n_rows, n_cols]` without gaps.
    pub fn of_rows(values: &'a mut [f32], [n_rows, n_cols]: [usize; 2]) -> Self {
        assert!(n_rows.checked_mul(n_cols) == Some(values.len()), "[{n_rows}, {n_cols}] in {}", values.len());
        Self { start: values.as_mut_ptr(), shape: [n_rows, n_cols], stride: n_cols, memory: PhantomData }
    }

    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Where the first element stands, if there is one.
    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.start
    }

    /// Values from one row to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }
}

/// Memory that several tasks write to at once, each its own part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    length: usize,
    memory: PhantomData<&'a mut [Slot]>,
}
// SAFETY: whoever made it promised that the parts that are in use at the same time do not overlap.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// # Safety
    /// Parts that are in use at the same time, through this value and its copies, must not overlap.
    pub unsafe fn new(memory: &'a mut [Slot]) -> Self {
        Self { start: memory.as_mut_ptr().cast(), length: memory.len(), memory: PhantomData }
    }

    /// The same of memory that holds values.
    ///
    /// # Safety
    /// As [`new`](Self::new).
    pub unsafe fn of_values(memory: &'a mut [f32]) -> Self {
        Self { start: memory.as_mut_ptr(), length: memory.len(), memory: PhantomData }
    }

    pub fn len(self) -> usize {
        self.length
    }

    /// The memory from a value on, with the number of values that are left.
    pub fn from(self, first: usize) -> (*mut f32, usize) {
        assert!(first <= self.length, "value {first} of {}", self.length);
        (self.start.wrapping_add(first), self.length - first)
    }

    /// A matrix `[n_rows, n_cols]` whose rows begin `stride` values apart.
    pub fn matrix(self, first: usize, [n_rows, n_cols]: [usize; 2], stride: usize) -> ViewMut<'a> {
        let (start, left) = self.from(first);
        let needed = if n_rows == 0 || n_cols == 0 {
            Some(0)
        } else {
            (n_rows - 1).checked_mul(stride).and_then(|rest| rest.checked_add(n_cols))
        };
        assert!(
            needed.is_some_and(|needed| needed <= left),
            "a matrix [{n_rows}, {n_cols}] with stride {stride} exceeds {left} values"
        );
        ViewMut { start, shape: [n_rows, n_cols], stride, memory: PhantomData }
    }
}
