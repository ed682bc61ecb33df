// kstatus says of Kubernetes objects what Flux and kpt say: a stream of JSON objects on standard input, a line of JSON
// with the verdict for each on standard output, in the same order.
//
// The verdict is computed from the object alone, so that of an object recorded earlier is what it was then.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type verdict struct {
	Kind    string        `json:"kind"`
	Name    string        `json:"name"`
	Status  status.Status `json:"status"`
	Message string        `json:"message"`
}

func main() {
	if err := judge(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

// judge reads objects until the stream ends. An object of null stands for one that is not there: NotFound.
func judge(in io.Reader, out io.Writer) error {
	objects, verdicts := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var raw json.RawMessage
		switch err := objects.Decode(&raw); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		found, err := verdictOf(raw)
		if err != nil {
			return err
		}
		if err := verdicts.Encode(found); err != nil {
			return err
		}
	}
}

func verdictOf(raw json.RawMessage) (verdict, error) {
	if string(raw) == "null" {
		return verdict{Status: status.NotFoundStatus, Message: "Resource not found"}, nil
	}
	// Its own decoder keeps whole numbers whole, as the library demands of a generation.
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(raw); err != nil {
		return verdict{}, err
	}
	result, err := status.Compute(object)
	if err != nil {
		return verdict{}, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return verdict{object.GetKind(), object.GetName(), result.Status, result.Message}, nil
}
