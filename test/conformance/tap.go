// Package tap writes the Test Anything Protocol: a stand-in for the library that the OCI validation suite imports
// and Debian doesn't have. Only what the suite calls.
package tap

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// T counts the tests and writes their lines.
type T struct {
	Writer io.Writer
	count  int
	todo   string
}

// New returns a T that writes to standard output.
func New() *T { return &T{Writer: os.Stdout} }

// Header begins the output; a count above 0 is the plan.
func (t *T) Header(count int) {
	fmt.Fprintln(t.Writer, "TAP version 13")
	if count > 0 {
		fmt.Fprintf(t.Writer, "1..%d\n", count)
	}
}

// Ok writes one result.
func (t *T) Ok(passed bool, description string) {
	t.count++
	word := "ok"
	if !passed {
		word = "not ok"
	}
	fmt.Fprintf(t.Writer, "%s %d - %s%s\n", word, t.count, description, t.todo)
	t.todo = ""
}

// Pass writes a result that is good.
func (t *T) Pass(description string) { t.Ok(true, description) }

// Fail writes a result that is bad.
func (t *T) Fail(description string) { t.Ok(false, description) }

// Skip writes results for tests that weren't run.
func (t *T) Skip(count int, reason string) {
	for i := 0; i < count; i++ {
		t.count++
		fmt.Fprintf(t.Writer, "ok %d # SKIP %s\n", t.count, reason)
	}
}

// Todo marks the next result as one that isn't expected to be good.
func (t *T) Todo() *T {
	t.todo = " # TODO"
	return t
}

// AutoPlan writes the plan after the tests.
func (t *T) AutoPlan() { fmt.Fprintf(t.Writer, "1..%d\n", t.count) }

// Diagnostic writes a comment, each line marked as one.
func (t *T) Diagnostic(message string) {
	for _, line := range strings.Split(strings.TrimRight(message, "\n"), "\n") {
		fmt.Fprintf(t.Writer, "# %s\n", line)
	}
}

// Diagnosticf formats a comment.
func (t *T) Diagnosticf(format string, values ...interface{}) { t.Diagnostic(fmt.Sprintf(format, values...)) }

// YAML writes details of the result before.
func (t *T) YAML(message interface{}) error {
	fmt.Fprintf(t.Writer, "  ---\n  %s\n  ...\n", strings.ReplaceAll(fmt.Sprintf("%+v", message), "\n", "\n  "))
	return nil
}
