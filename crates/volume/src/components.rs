//! Connected parts of a class: voxels that touch by a face, an edge or a corner belong to one, as for nnU-Net's
//! post-processing (`scipy.ndimage.label` with a structure of ones).

use ndarray::{ArrayView3, ArrayViewMut3};

/// Neighbours of one class along the last axis.
#[derive(Clone, Copy)]
struct Run {
    line: usize,
    start: usize,
    end: usize,
}

/// The connected components of one class of a volume.
#[derive(Clone, Debug)]
pub struct Components {
    /// Number of voxels of each component, by index.
    n_voxels: Vec<usize>,
    /// Line of the volume (plane after plane, row after row), first and last place of each run, and its component.
    runs: Vec<(usize, [usize; 2], usize)>,
}

impl Components {
    /// Finds the components of the voxels that equal `class`. Quickest where the last axis lies in memory voxel by voxel.
    #[must_use]
    pub fn of_class(classes: ArrayView3<u8>, class: u8) -> Self {
        let (_, n_rows, _) = classes.dim();
        let mut runs: Vec<Run> = Vec::new();
        // Where the runs of each line begin in `runs`.
        let mut begins = vec![0];
        for (line, row) in classes.rows().into_iter().enumerate() {
            let mut start = None;
            for (at, &found) in row.iter().enumerate() {
                match (found == class, start) {
                    (true, None) => start = Some(at),
                    (false, Some(from)) => {
                        runs.push(Run { line, start: from, end: at });
                        start = None;
                    }
                    _ => {}
                }
            }
            runs.extend(start.map(|start| Run { line, start, end: row.len() }));
            begins.push(runs.len());
        }
        let mut parents: Vec<usize> = (0..runs.len()).collect();
        for line in 0..begins.len() - 1 {
            let row = line % n_rows.max(1);
            // Lines that lie before this one and touch it: in its plane, and the three of the plane before.
            let before =
                [(1, row > 0), (n_rows + 1, row > 0), (n_rows, true), (n_rows.wrapping_sub(1), row + 1 < n_rows)];
            for other in
                before.into_iter().filter(|&(_, there)| there).filter_map(|(back, _)| line.checked_sub(back))
            {
                if other < line {
                    join(&runs, &mut parents, begins[other]..begins[other + 1], begins[line]..begins[line + 1]);
                }
            }
        }
        let mut n_voxels = Vec::new();
        let mut numbers = vec![usize::MAX; runs.len()];
        let mut numbered = Vec::with_capacity(runs.len());
        for (index, run) in runs.iter().enumerate() {
            let root = root(&mut parents, index);
            if numbers[root] == usize::MAX {
                numbers[root] = n_voxels.len();
                n_voxels.push(0);
            }
            n_voxels[numbers[root]] += run.end - run.start;
            numbered.push((run.line, [run.start, run.end], numbers[root]));
        }
        Self { n_voxels, runs: numbered }
    }

    /// Number of components.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n_voxels.len()
    }

    /// Whether the class has no voxel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_voxels.is_empty()
    }

    /// Number of voxels of the largest one.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.n_voxels.iter().copied().max().unwrap_or(0)
    }

    /// Makes background (0) of all components but the largest (the first of several as large) in the volume that they were
    /// found in, and returns how many voxels that were.
    pub fn keep_largest(&self, mut classes: ArrayViewMut3<u8>) -> usize {
        let (_, n_rows, _) = classes.dim();
        let largest = self.largest();
        let kept = self.n_voxels.iter().position(|&n| n == largest);
        let mut removed = 0;
        for &(line, [start, end], component) in &self.runs {
            if Some(component) != kept {
                (start..end).for_each(|at| classes[(line / n_rows, line % n_rows, at)] = 0);
                removed += end - start;
            }
        }
        removed
    }
}

/// Joins the runs of two lines that touch.
fn join(runs: &[Run], parents: &mut [usize], before: std::ops::Range<usize>, own: std::ops::Range<usize>) {
    let (mut a, mut b) = (before.start, own.start);
    while a < before.end && b < own.end {
        // Places one beside the other touch by an edge or a corner.
        if runs[a].start <= runs[b].end && runs[b].start <= runs[a].end {
            let (first, second) = (root(parents, a), root(parents, b));
            parents[first.max(second)] = first.min(second);
        }
        if runs[a].end < runs[b].end { a += 1 } else { b += 1 }
    }
}

/// The run that stands for a component.
fn root(parents: &mut [usize], mut run: usize) -> usize {
    while parents[run] != run {
        parents[run] = parents[parents[run]];
        run = parents[run];
    }
    run
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::rng::KeyedRng;

    /// Voxel by voxel, the slow way.
    fn flood(classes: &Array3<u8>, class: u8) -> Vec<usize> {
        let mut left = classes.mapv(|found| found == class);
        let mut sizes = Vec::new();
        for start in ndarray::indices(classes.dim()) {
            if !left[start] {
                continue;
            }
            let (mut stack, mut size) = (vec![start], 0);
            left[start] = false;
            while let Some((k, j, i)) = stack.pop() {
                size += 1;
                for (dk, dj, di) in ndarray::indices((3, 3, 3)) {
                    let at = (k + dk, j + dj, i + di);
                    if at.0 == 0 || at.1 == 0 || at.2 == 0 {
                        continue;
                    }
                    let at = (at.0 - 1, at.1 - 1, at.2 - 1);
                    if left.get(at) == Some(&true) {
                        left[at] = false;
                        stack.push(at);
                    }
                }
            }
            sizes.push(size);
        }
        sizes
    }

    #[test]
    fn equal_a_flood_fill() {
        for seed in 0..60 {
            let mut rng = KeyedRng::new(seed, &[1]);
            let shape = [1, 2, 3, 6, 7].map(|n| n + (seed as usize) % 2);
            let shape = (shape[seed as usize % 5], shape[(seed as usize / 5) % 5], shape[(seed as usize + 3) % 5]);
            let share = 0.1 + 0.05 * (seed % 8) as f64;
            let classes = Array3::from_shape_fn(shape, |_| u8::from(rng.range(0.0, 1.0) < share));
            let found = Components::of_class(classes.view(), 1);
            let (mut expected, mut sizes) = (flood(&classes, 1), found.n_voxels.clone());
            expected.sort_unstable();
            sizes.sort_unstable();
            assert_eq!(sizes, expected, "seed {seed}, shape {shape:?}");
            let mut kept = classes.clone();
            let removed = found.keep_largest(kept.view_mut());
            assert_eq!(removed, expected.iter().sum::<usize>() - found.largest());
            assert_eq!(flood(&kept, 1), expected.last().copied().into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn touch_by_corners_and_not_across_the_ends_of_lines() {
        let mut classes = Array3::zeros((2, 2, 3));
        classes[(0, 0, 0)] = 5;
        classes[(1, 1, 1)] = 5;
        assert_eq!(Components::of_class(classes.view(), 5).len(), 1);
        let mut apart = Array3::zeros((2, 2, 3));
        apart[(0, 0, 2)] = 5;
        apart[(0, 1, 0)] = 5;
        apart[(1, 1, 2)] = 5;
        assert_eq!(Components::of_class(apart.view(), 5).len(), 2);
        assert!(Components::of_class(apart.view(), 4).is_empty());
    }
}
