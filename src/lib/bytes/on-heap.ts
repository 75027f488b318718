/**
 * Arrays of at most so many bytes are in V8's heap until somebody asks for a view of them, by `subarray` or a DataView; that moves them out, and costs more than all that is written to them. For larger ones a
 * DataView is the fastest way.
 */
export const onHeap = 64;
