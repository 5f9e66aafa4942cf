// Package pth reads the files of torch.save (.pth, .pt, .bin) without executing anything.
//
// Such a file, since PyTorch 1.6, is a zip archive of stored (not compressed) entries below one
// folder:
//
//	NAME/data.pkl      a pickle of the saved object
//	NAME/data/KEY      the bytes of a storage: the values of one or more tensors
//	NAME/byteorder     "little" or "big"; older versions have no such entry
//
// A pickle is a program for a stack machine. The interpreter in pickle.go knows the opcodes that
// torch.save writes (protocol 2) and a closed list of globals, and builds data with them: numbers,
// strings, lists, tuples, dicts, tensors and argparse.Namespace. It calls nothing; any other opcode
// or global is an error that names it.
//
// Files are treated as hostile: storages are used in place after their size is compared with the
// zip entry, and the shape, strides and offset of a tensor are checked against its storage. Nothing
// is ever decompressed or written to a path that an archive names.
//
// github.com/nlpodyssey/gopickle serves the same purpose, but it trusts sizes in the file when it
// allocates, copies every storage, and accepts any global by default.
package pth
