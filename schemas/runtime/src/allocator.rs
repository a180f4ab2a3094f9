//! The memory of programs that answer requests: mimalloc.
//!
//! The crate `mimalloc` asks for each block by its alignment, which takes twice the time of asking for one that needs none
//! beyond what every block has; a prediction of one row takes some sixty blocks.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_collect, mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};

/// mimalloc, for `#[global_allocator]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mimalloc;

/// Gives back to the system what has been freed: mimalloc keeps freed pages for a while, and those that another thread has
/// freed until something else is allocated.
pub fn give_back() {
    // SAFETY: it takes no pointers, may be called by any thread at any time, and frees nothing that is in use.
    unsafe { mi_collect(true) }
}

/// Whether every block of this size is aligned so: mimalloc aligns to 8 bytes, and to 16 from 16 bytes on
/// (`MI_MAX_ALIGN_SIZE`).
fn is_natural(align: usize, size: usize) -> bool {
    align <= 8 || (align <= 16 && size >= 16)
}

// SAFETY: mimalloc gives blocks of at least the size that was asked for, aligned as the layout says by `is_natural` or by
// asking for it, or null; it frees and moves blocks however they were asked for.
unsafe impl GlobalAlloc for Mimalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and any power of two may be asked for.
        unsafe {
            match is_natural(layout.align(), layout.size()) {
                true => mi_malloc(layout.size()).cast(),
                false => mi_malloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        unsafe {
            match is_natural(layout.align(), layout.size()) {
                true => mi_zalloc(layout.size()).cast(),
                false => mi_zalloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller's block is mimalloc's.
        unsafe { mi_free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's block is mimalloc's.
        unsafe {
            match is_natural(layout.align(), size) {
                true => mi_realloc(block.cast(), size).cast(),
                false => mi_realloc_aligned(block.cast(), size, layout.align()).cast(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_are_aligned_and_keep_what_is_in_them(size in 1usize..5_000, align in 0u32..10, moved in 1usize..9_000) {
            let layout = Layout::from_size_align(size, 1 << align).unwrap();
            // SAFETY: no size is zero; each block is written within its size, and freed once by its last layout.
            unsafe {
                let block = Mimalloc.alloc_zeroed(layout);
                prop_assert!(!block.is_null() && (block as usize).is_multiple_of(layout.align()));
                let bytes = std::slice::from_raw_parts_mut(block, size);
                prop_assert!(bytes.iter().all(|byte| *byte == 0));
                bytes.iter_mut().zip(0u8..=u8::MAX).for_each(|(byte, place)| *byte = place);
                let block = Mimalloc.realloc(block, layout, moved);
                prop_assert!(!block.is_null() && (block as usize).is_multiple_of(layout.align()));
                let kept = std::slice::from_raw_parts(block, size.min(moved).min(256));
                prop_assert!(kept.iter().zip(0u8..=u8::MAX).all(|(byte, place)| *byte == place));
                Mimalloc.dealloc(block, Layout::from_size_align(moved, layout.align()).unwrap());
                let other = Mimalloc.alloc(layout);
                prop_assert!((other as usize).is_multiple_of(layout.align()));
                Mimalloc.dealloc(other, layout);
            }
        }
    }
}
