//! Binary masks on two or three axes.

use crate::error::MetricsError;

/// A binary mask. Two-dimensional masks are held as one slice whose axis does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    pub(crate) voxels: Vec<bool>,
    pub(crate) shape: [usize; 3],
    /// Axes that exist: a missing axis has no neighbours and no border.
    pub(crate) axes: [bool; 3],
}

impl Mask {
    /// The voxels of `labels` that equal `class`; axes in row-major order.
    ///
    /// # Errors
    /// Where the shape has not two or three axes, or does not fit the number of labels.
    pub fn of_class(labels: &[u8], shape: &[usize], class: u8) -> Result<Self, MetricsError> {
        let (shape3, axes) = check_shape(labels.len(), shape)?;
        Ok(Self { voxels: labels.iter().map(|&label| label == class).collect(), shape: shape3, axes })
    }

    /// The voxels of `values` that are not 0.
    ///
    /// # Errors
    /// As [`of_class`](Self::of_class).
    pub fn of_nonzero(values: &[u8], shape: &[usize]) -> Result<Self, MetricsError> {
        let (shape3, axes) = check_shape(values.len(), shape)?;
        Ok(Self { voxels: values.iter().map(|&value| value != 0).collect(), shape: shape3, axes })
    }

    /// Number of voxels in the mask.
    #[must_use]
    pub fn count(&self) -> usize {
        self.voxels.iter().filter(|&&voxel| voxel).count()
    }

    /// The bounding box (start, end) of all voxels in either mask.
    pub(crate) fn bounding_box(&self, other: &Self) -> Option<[(usize, usize); 3]> {
        let [_, rows, cols] = self.shape;
        let mut bounds = [(usize::MAX, 0); 3];
        for (line, (a, b)) in self.voxels.chunks_exact(cols).zip(other.voxels.chunks_exact(cols)).enumerate() {
            let hit = |i: usize| a[i] || b[i];
            let Some(first) = (0..cols).find(|&i| hit(i)) else { continue };
            let last = (0..cols).rev().find(|&i| hit(i)).unwrap_or(first);
            let place = [(line / rows, line / rows), (line % rows, line % rows), (first, last)];
            for (bound, (low, high)) in bounds.iter_mut().zip(place) {
                *bound = (bound.0.min(low), bound.1.max(high + 1));
            }
        }
        (bounds[0].1 > 0).then_some(bounds)
    }

    /// The voxels inside a box.
    pub(crate) fn crop(&self, bounds: [(usize, usize); 3]) -> Self {
        let [_, rows, cols] = self.shape;
        let shape = bounds.map(|(start, end)| end - start);
        let mut voxels = Vec::with_capacity(shape.iter().product());
        for slice in bounds[0].0..bounds[0].1 {
            for row in bounds[1].0..bounds[1].1 {
                let line = (slice * rows + row) * cols;
                voxels.extend_from_slice(&self.voxels[line + bounds[2].0..line + bounds[2].1]);
            }
        }
        Self { voxels, shape, axes: self.axes }
    }

    /// Mask xor erosion with the cross-shaped neighbourhood; outside the mask's box is background.
    pub(crate) fn border(&self) -> Self {
        let [slices, rows, cols] = self.shape;
        let mut border = vec![false; self.voxels.len()];
        for (line, out) in border.chunks_exact_mut(cols).enumerate() {
            let (slice, row) = (line / rows, line % rows);
            let line_at = |line: usize| &self.voxels[line * cols..(line + 1) * cols];
            let here = line_at(line);
            if !here.contains(&true) {
                continue;
            }
            // The lines before and after along both other axes; none where the volume ends.
            let mut around = Vec::with_capacity(4);
            let mut is_edge = false;
            for (axis, at, size, step) in [(0, slice, slices, rows), (1, row, rows, 1)] {
                if self.axes[axis] && at > 0 && at + 1 < size {
                    around.extend([line_at(line - step), line_at(line + step)]);
                } else {
                    is_edge |= self.axes[axis];
                }
            }
            for col in 0..cols {
                let is_inner = !is_edge
                    && col > 0
                    && col + 1 < cols
                    && here[col - 1]
                    && here[col + 1]
                    && around.iter().all(|line| line[col]);
                out[col] = here[col] && !is_inner;
            }
        }
        Self { voxels: border, shape: self.shape, axes: self.axes }
    }
}

/// The shape as three axes, and which of them exist.
pub(crate) fn check_shape(len: usize, shape: &[usize]) -> Result<([usize; 3], [bool; 3]), MetricsError> {
    if !matches!(shape.len(), 2 | 3) || shape.contains(&0) {
        return Err(MetricsError::Shape(shape.to_vec()));
    }
    let expected = shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
    if expected != Some(len) {
        let expected = expected.unwrap_or(usize::MAX);
        return Err(MetricsError::Length { shape: shape.to_vec(), expected, found: len });
    }
    let mut shape3 = [1; 3];
    shape3[3 - shape.len()..].copy_from_slice(shape);
    Ok((shape3, [shape.len() == 3, true, true]))
}
