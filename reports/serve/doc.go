// Package serve serves the runs of a folder to a browser: a list, the report of each run, and
// comparisons of selected runs.
//
//   - runs.go finds and describes the journals below the folder.
//   - serve.go handles requests: / lists the runs, /run/PATH is a report,
//     /compare?base=PATH&new=PATH compares runs.
//   - guard.go controls access: it rejects unknown host names and all methods except GET and HEAD,
//     and sets security headers.
//
// Pages are rendered from the journals by the code that writes report.html and by yocobench
// compare, and again whenever a journal has changed. Nothing is written, and no file outside the
// folder is read, because every file is opened through an os.Root.
package serve
