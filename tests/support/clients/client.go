// A Go program with the standard library's client.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	request, err := http.NewRequest("GET", os.Args[1], nil)
	if err == nil {
		request.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
		var answer *http.Response
		if answer, err = http.DefaultClient.Do(request); err == nil {
			var body []byte
			if body, err = io.ReadAll(answer.Body); err == nil {
				fmt.Println(answer.StatusCode, answer.Proto, string(body))
				return
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
