// What Go itself makes of the templates and patterns in ../go.json: run it to make that file anew.
//
//	apt-get install golang-go golang-github-masterminds-sprig-dev
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go < ../go.json > new.json
//
// New templates and patterns are added to go.json with null in the place of what is not known yet.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
)

type document struct {
	MadeWith  string                 `json:"made_with"`
	Vars      map[string]interface{} `json:"vars"`
	Env       map[string]string      `json:"env"`
	Templates [][2]interface{}       `json:"templates"`
	Texts     []string               `json:"texts"`
	Patterns  [][2]interface{}       `json:"patterns"`
}

// Goss gives its templates a structure with these two; whole numbers of JSON are integers there.
type data struct {
	Vars map[string]interface{}
	Env  map[string]string
}

func main() {
	var given document
	reader := json.NewDecoder(os.Stdin)
	reader.UseNumber()
	if err := reader.Decode(&given); err != nil {
		panic(err)
	}
	whole(given.Vars)
	given.MadeWith = runtime.Version() + ": text/template, regexp, sprig"
	for at, pair := range given.Templates {
		given.Templates[at][1] = fill(pair[0].(string), data{given.Vars, given.Env})
	}
	for at, pair := range given.Patterns {
		given.Patterns[at][1] = search(pair[0].(string), given.Texts)
	}
	write(given)
}

func whole(value interface{}) interface{} {
	switch is := value.(type) {
	case map[string]interface{}:
		for key, part := range is {
			is[key] = whole(part)
		}
	case []interface{}:
		for at, part := range is {
			is[at] = whole(part)
		}
	case json.Number:
		if number, err := is.Int64(); err == nil {
			return int(number)
		}
		number, _ := is.Float64()
		return number
	}
	return value
}

// The filled text, or at which of the two steps it was refused.
func fill(text string, with data) interface{} {
	own := template.FuncMap{
		"mkSlice":    func(values ...interface{}) []interface{} { return values },
		"regexMatch": regexp.MatchString,
		"toUpper":    strings.ToUpper,
		"toLower":    strings.ToLower,
		"getEnv": func(name string, otherwise ...string) string {
			if with.Env[name] == "" && len(otherwise) > 0 {
				return otherwise[0]
			}
			return with.Env[name]
		},
	}
	parsed, err := template.New("").Funcs(sprig.TxtFuncMap()).Funcs(own).Parse(text)
	if err != nil {
		return map[string]string{"error": "parse"}
	}
	var filled bytes.Buffer
	if err := parsed.Option("missingkey=error").Execute(&filled, with); err != nil {
		return map[string]string{"error": "execute"}
	}
	return filled.String()
}

// A sign for each text: x where the pattern is found; nothing where it is no pattern.
func search(pattern string, texts []string) interface{} {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil
	}
	found := ""
	for _, text := range texts {
		if compiled.MatchString(text) {
			found += "x"
		} else {
			found += "."
		}
	}
	return found
}

// One line an entry, so that what changed can be read.
func write(made document) {
	fmt.Printf("{\n \"made_with\": %s,\n \"vars\": %s,\n \"env\": %s,\n", line(made.MadeWith), line(made.Vars), line(made.Env))
	fmt.Printf(" \"templates\": [\n%s\n ],\n \"texts\": %s,\n", lines(made.Templates), line(made.Texts))
	fmt.Printf(" \"patterns\": [\n%s\n ]\n}\n", lines(made.Patterns))
}

func lines(pairs [][2]interface{}) string {
	said := []string{}
	for _, pair := range pairs {
		said = append(said, "  "+line(pair))
	}
	return strings.Join(said, ",\n")
}

func line(value interface{}) string {
	var said bytes.Buffer
	writer := json.NewEncoder(&said)
	writer.SetEscapeHTML(false)
	if err := writer.Encode(value); err != nil {
		panic(err)
	}
	return strings.TrimSpace(said.String())
}
