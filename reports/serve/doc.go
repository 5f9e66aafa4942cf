// Package serve shows the runs of a folder in a browser: a list, each run's
// report, and comparisons of chosen runs.
//
//   - runs.go finds the journals below the folder and reports what each holds.
//   - serve.go answers requests: / lists, /run/PATH is a report, /compare?base=PATH&new=PATH compares.
//   - guard.go says who may ask: no foreign host names, no methods but GET and HEAD, headers that keep a page to itself.
//
// Pages are drawn from the journals by the code that draws report.html and
// yocobench compare, again whenever a journal has changed. Nothing is written,
// and nothing outside the folder is read: every file is opened through an os.Root.
package serve
