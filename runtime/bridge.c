/* How do whole arrays reach a kernel, quickly, and checked on the way?
 *
 * A kernel of lossforge is one function over n rows (`entry`). Here rows are
 * cut into blocks; each block's inputs are checked against their domains and
 * then, while they lie in the cache, given to the kernel. Sums of losses are
 * taken block by block, so that no array of losses is made.
 *
 * Two doors lead here. Python's own (`LOSSFORGE_PYTHON` defined) takes NumPy
 * arrays through the buffer protocol, in the limited API, so that one library
 * serves every Python from 3.11 on and NumPy's headers are not needed. Without
 * Python.h, ctypes calls `lossforge_call` and `lossforge_rows`. Both take plain
 * arrays alone and answer "not mine" to everything else, errors included:
 * the Python code behind them does, says and raises what is right then.
 */
#ifdef LOSSFORGE_PYTHON
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#endif

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Numbers a block: 1024 rows of two inputs, weights and three outputs are 48 KiB in float64. */
#define BLOCK 1024
/* The fewest rows a block, for vectors longer than BLOCK/LEAST. */
#define LEAST 16
/* Inputs (targets, predictions, weights) and outputs (loss, gradient, hessian) at most. */
#define MOST 3

typedef void entry(size_t n, size_t K, const void *const *inputs, const void *parameters, void *const *outputs);

/* These and `kernel` are mirrored in bridge.py; every member has 8 bytes. */
enum { ANYTHING, INTERVAL, FINITE_SET, INTEGERS, ONE_HOT, SIMPLEX, LABELS };

typedef struct {
    int64_t kind;
    double low, high;                /* an interval's ends; of integers low, of a simplex the tolerance in high */
    int64_t low_closed, high_closed; /* 0 or 1 */
    const double *values;            /* of a finite set */
    int64_t count;
    int64_t wide; /* whether a row has K numbers */
} domain;

typedef struct {
    entry *run;
    const void *parameters;
    const domain *domains; /* one an input, the weights' last */
    int64_t inputs;        /* without the weights */
    int64_t outputs;
    int64_t weighted;   /* whether the kernel takes weights */
    int64_t size;       /* of a number: 8 or 4 bytes */
    int64_t axes[MOST]; /* an output has K to this power numbers a row */
} kernel;

/* Whether n numbers lie in a domain. No loop ends early, so that each is vector code; NaN lies in none. */
#define CHECKS(real, integer, bits, floor_of)                                                             \
    static int within_interval_##bits(const domain *d, const real *x, size_t n)                           \
    {                                                                                                     \
        const real low = (real)d->low, high = (real)d->high;                                              \
        const integer low_closed = (integer)d->low_closed, high_closed = (integer)d->high_closed;         \
        integer inside = 1;                                                                               \
        for (size_t i = 0; i < n; i++)                                                                    \
            inside &= ((x[i] > low) | (low_closed & (x[i] == low)))                                       \
                      & ((x[i] < high) | (high_closed & (x[i] == high)));                                 \
        return inside != 0;                                                                               \
    }                                                                                                     \
                                                                                                          \
    static int within_two_##bits(real a, real b, const real *x, size_t n)                                 \
    {                                                                                                     \
        integer inside = 1;                                                                               \
        for (size_t i = 0; i < n; i++)                                                                    \
            inside &= (x[i] == a) | (x[i] == b);                                                          \
        return inside != 0;                                                                               \
    }                                                                                                     \
                                                                                                          \
    static int within_set_##bits(const domain *d, const real *x, size_t n)                                \
    {                                                                                                     \
        if (d->count <= 2)                                                                                \
            return within_two_##bits((real)d->values[0], (real)d->values[d->count - 1], x, n);            \
        int inside = 1;                                                                                   \
        for (size_t i = 0; i < n; i++) {                                                                  \
            int found = 0;                                                                                \
            for (int64_t j = 0; j < d->count; j++)                                                        \
                found |= x[i] == (real)d->values[j];                                                      \
            inside &= found;                                                                              \
        }                                                                                                 \
        return inside;                                                                                    \
    }                                                                                                     \
                                                                                                          \
    static int within_integers_##bits(const domain *d, const real *x, size_t n)                           \
    {                                                                                                     \
        const real low = (real)d->low;                                                                    \
        integer inside = 1;                                                                               \
        for (size_t i = 0; i < n; i++)                                                                    \
            inside &= (x[i] >= low) & (x[i] < (real)HUGE_VAL) & (x[i] == floor_of(x[i]));                 \
        return inside != 0;                                                                               \
    }                                                                                                     \
                                                                                                          \
    static int within_rows_##bits(const domain *d, const real *x, size_t n, size_t K)                     \
    {                                                                                                     \
        const integer between = d->kind == SIMPLEX;                                                       \
        integer inside = 1;                                                                               \
        for (size_t row = 0; row < n; row++, x += K) {                                                    \
            double total = 0.0;                                                                           \
            for (size_t k = 0; k < K; k++) {                                                              \
                inside &= (x[k] == 0) | (x[k] == 1) | (between & (x[k] > 0) & (x[k] < 1));                \
                total += (double)x[k];                                                                    \
            }                                                                                             \
            inside &= fabs(total - 1.0) <= d->high;                                                       \
        }                                                                                                 \
        return inside != 0;                                                                               \
    }                                                                                                     \
                                                                                                          \
    static int within_##bits(const domain *d, const real *x, size_t n, size_t K)                          \
    {                                                                                                     \
        switch (d->kind) {                                                                                \
        case INTERVAL:                                                                                    \
            return within_interval_##bits(d, x, d->wide ? n * K : n);                                     \
        case FINITE_SET:                                                                                  \
            return within_set_##bits(d, x, n);                                                            \
        case INTEGERS:                                                                                    \
            return within_integers_##bits(d, x, n);                                                       \
        case ONE_HOT:                                                                                     \
        case SIMPLEX:                                                                                     \
            return within_rows_##bits(d, x, n, K);                                                        \
        default:                                                                                          \
            return 1;                                                                                     \
        }                                                                                                 \
    }

CHECKS(double, int64_t, f64, floor)
CHECKS(float, int32_t, f32, floorf)

static int within_labels(const int64_t *x, size_t n, size_t K)
{
    int64_t inside = 1;
    for (size_t i = 0; i < n; i++)
        inside &= (x[i] >= 0) & (x[i] < (int64_t)K);
    return inside != 0;
}

/* Labels index memory: they are checked always. */
static int within(const kernel *k, const domain *d, const void *x, size_t n, size_t K, int check)
{
    if (d->kind == LABELS)
        return within_labels(x, n, K);
    return !check || (k->size == 8 ? within_f64(d, x, n, K) : within_f32(d, x, n, K));
}

/* The sum of at most BLOCK numbers in float64: halves are added, as if zeros followed up to a power of two. */
static double halved(const void *x, size_t n, int64_t size)
{
    double work[BLOCK];
    size_t length = 1;
    while (length < n)
        length *= 2;
    if (size == 8)
        memcpy(work, x, n * sizeof(double));
    else
        for (size_t i = 0; i < n; i++)
            work[i] = (double)((const float *)x)[i];
    for (size_t i = n; i < length; i++)
        work[i] = 0.0;
    for (size_t half = length / 2; half > 0; half /= 2) {
        double *restrict low = work;
        const double *restrict high = work + half;
        for (size_t i = 0; i < half; i++)
            low[i] += high[i];
    }
    return work[0];
}

/* Rows a block: a function of K alone, so that sums do not depend on who adds. */
static size_t block_rows(size_t K)
{
    return K > BLOCK / LEAST ? LEAST : BLOCK / (K ? K : 1);
}

/* Bytes a number of an input. */
static size_t unit(const kernel *k, int64_t input)
{
    return k->domains[input].kind == LABELS ? sizeof(int64_t) : (size_t)k->size;
}

/* Numbers a row of an output. */
static size_t width(int64_t axes, size_t K)
{
    return axes == 0 ? 1 : axes == 1 ? K : K * K;
}

/* Run the rows from begin to end; 0 as soon as a block holds a number outside its domain, or when one is misaligned.
 *
 * With `sums` the first output is not written: its sum over each block from `begin` on goes there, and to
 * `weight_sums` that of the weights where there are some. Then begin must be a multiple of block_rows(K).
 */
int lossforge_rows(
    const kernel *k, size_t begin, size_t end, size_t K, int check, const void *const *inputs, void *const *outputs,
    double *sums, double *weight_sums)
{
    double scratch[BLOCK];
    const size_t rows = block_rows(K), size = (size_t)k->size;
    const int64_t arrays = k->inputs + (k->weighted != 0);
    for (int64_t i = 0; i < arrays; i++)
        if ((uintptr_t)inputs[i] % unit(k, i))
            return 0;
    for (int64_t i = 0; i < k->outputs; i++)
        if ((uintptr_t)outputs[i] % size)
            return 0;
    for (size_t at = begin; at < end; at += rows) {
        const size_t n = end - at < rows ? end - at : rows, block = (at - begin) / rows;
        const void *in[MOST] = {NULL};
        void *out[MOST] = {NULL};
        for (int64_t i = 0; i < arrays; i++) {
            if (inputs[i] == NULL)
                continue;
            in[i] = (const char *)inputs[i] + at * (k->domains[i].wide ? K : 1) * unit(k, i);
            if (!within(k, &k->domains[i], in[i], n, K, check))
                return 0;
        }
        for (int64_t i = 0; i < k->outputs; i++)
            if (outputs[i] != NULL)
                out[i] = (char *)outputs[i] + at * width(k->axes[i], K) * size;
        if (sums != NULL)
            out[0] = scratch;
        k->run(n, K, in, k->parameters, out);
        if (sums != NULL)
            sums[block] = halved(scratch, n, k->size);
        if (weight_sums != NULL && k->weighted && in[k->inputs] != NULL)
            weight_sums[block] = halved(in[k->inputs], n, k->size);
    }
    return 1;
}

/* Whether two pieces of memory share no byte. */
static int apart(const void *a, size_t a_length, const void *b, size_t b_length)
{
    return (uintptr_t)a + a_length <= (uintptr_t)b || (uintptr_t)b + b_length <= (uintptr_t)a;
}

/* The door for ctypes, to rows of n: inputs in the slots' order; 0 also where an output is not apart from the rest. */
int lossforge_call(
    const kernel *k, size_t n, size_t begin, size_t end, size_t K, int check, const void *first, const void *second,
    const void *weight, void *a, void *b, void *c)
{
    const void *inputs[MOST] = {first, second, NULL};
    void *outputs[MOST] = {a, b, c};
    const size_t size = (size_t)k->size;
    inputs[k->inputs] = weight;
    for (int64_t i = 0; i < k->outputs; i++) {
        const size_t length = n * width(k->axes[i], K) * size;
        for (int64_t j = 0; j < i; j++)
            if (!apart(outputs[i], length, outputs[j], n * width(k->axes[j], K) * size))
                return 0;
        for (int64_t j = 0; j < k->inputs + (weight != NULL); j++)
            if (!apart(outputs[i], length, inputs[j], n * (k->domains[j].wide ? K : 1) * unit(k, j)))
                return 0;
    }
    return begin <= end && end <= n && lossforge_rows(k, begin, end, K, check, inputs, outputs, NULL, NULL);
}

/* What bridge.py believes of the structures above is compared with this. */
size_t lossforge_layout(void)
{
    return sizeof(domain) * 1000 + sizeof(kernel);
}

#ifdef LOSSFORGE_PYTHON

/* Below this many numbers (some 30 µs) others wait less for us than we would for the lock. */
#define RELEASED 16384

/* One kernel in both precisions, for dense targets and for labels. */
typedef struct {
    PyObject ob_base;
    const kernel *kernels[4]; /* f64, f32, f64 with labels, f32 with labels; NULL where there is none */
    int target;               /* which input y is, -1 without targets */
    int vector;
    PyObject *array;     /* numpy.ndarray */
    PyObject *empty;     /* numpy.empty */
    PyObject *dtypes[2]; /* float64, float32 */
    PyObject *keep;      /* owns what `kernels` points to */
} Bound;

/* The arrays of one call. */
typedef struct {
    Py_buffer views[2 * MOST];
    int held;
    const kernel *k;
    const void *inputs[MOST];
    void *outputs[MOST];
    size_t n, K;
    int leading; /* axes of the batch */
    const Py_buffer *f;
    int weights; /* whether there are some */
} Call;

static void release(Call *call)
{
    while (call->held > 0)
        PyBuffer_Release(&call->views[--call->held]);
}

/* A plain array: contiguous, aligned, of native numbers; NULL, without an exception, for all else. */
static Py_buffer *hold(const Bound *self, Call *call, PyObject *x, int flags)
{
    if ((PyObject *)Py_TYPE(x) != self->array)
        return NULL;
    Py_buffer *view = &call->views[call->held];
    if (PyObject_GetBuffer(x, view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | flags) < 0) {
        PyErr_Clear();
        return NULL;
    }
    call->held++;
    const char *format = view->format;
    if (format == NULL || format[0] == '\0' || format[1] != '\0')
        return NULL;
    return view;
}

static int same_lengths(const Py_buffer *a, const Py_buffer *b, int axes)
{
    return memcmp(a->shape, b->shape, (size_t)axes * sizeof(Py_ssize_t)) == 0;
}

/* Take hold of y, f and the weights; 0 when they are not plain. */
static int open_inputs(const Bound *self, Call *call, PyObject *y, PyObject *f, PyObject *weight)
{
    Py_buffer *prediction = hold(self, call, f, 0);
    if (prediction == NULL || prediction->ndim < 1 + self->vector)
        return 0;
    const char real = prediction->format[0];
    if (real != 'd' && real != 'f')
        return 0;
    call->f = prediction;
    call->leading = prediction->ndim - self->vector;
    call->K = self->vector ? (size_t)prediction->shape[call->leading] : 1;
    if (call->K == 0)
        return 0;
    call->n = 1;
    for (int i = 0; i < call->leading; i++)
        call->n *= (size_t)prediction->shape[i];
    int which = real == 'f', at = 0;
    if (self->target < 0) {
        if (y != Py_None)
            return 0;
    } else {
        const Py_buffer *target = hold(self, call, y, 0);
        if (target == NULL)
            return 0;
        const char kind = target->format[0];
        if (kind == real && target->ndim == prediction->ndim && same_lengths(target, prediction, target->ndim))
            ;
        else if ((kind == 'l' || kind == 'q') && target->itemsize == 8 && target->ndim == prediction->ndim - 1
                 && same_lengths(target, prediction, target->ndim) && self->vector)
            which += 2;
        else
            return 0;
        call->inputs[self->target] = target->buf;
        at = 1 - self->target;
    }
    call->inputs[at] = prediction->buf;
    call->k = self->kernels[which];
    if (call->k == NULL)
        return 0;
    call->weights = weight != Py_None;
    if (call->weights) {
        const Py_buffer *view = call->k->weighted ? hold(self, call, weight, 0) : NULL;
        if (view == NULL || view->format[0] != real || view->ndim != call->leading
            || !same_lengths(view, prediction, call->leading))
            return 0;
        call->inputs[call->k->inputs] = view->buf;
    }
    return 1;
}

/* A new array for an output. */
static PyObject *allocate(const Bound *self, const Call *call, int axes)
{
    PyObject *shape = PyTuple_New(call->leading + axes);
    for (int i = 0; shape != NULL && i < call->leading + axes; i++) {
        PyObject *length = PyLong_FromSsize_t(i < call->leading ? call->f->shape[i] : (Py_ssize_t)call->K);
        if (length == NULL || PyTuple_SetItem(shape, i, length) < 0)
            Py_CLEAR(shape);
    }
    if (shape == NULL)
        return NULL;
    PyObject *made = PyObject_CallFunctionObjArgs(self->empty, shape, self->dtypes[call->k->size == 4], NULL);
    Py_DECREF(shape);
    return made;
}

/* Take hold of one output; 0 when it is not plain, or not apart from the arrays held before. */
static int open_output(const Bound *self, Call *call, PyObject *x, int i)
{
    const int before = call->held, axes = (int)call->k->axes[i];
    const Py_buffer *view = hold(self, call, x, PyBUF_WRITABLE);
    if (view == NULL || view->format[0] != call->f->format[0] || view->ndim != call->leading + axes
        || !same_lengths(view, call->f, call->leading))
        return 0;
    for (int j = 0; j < axes; j++)
        if ((size_t)view->shape[call->leading + j] != call->K)
            return 0;
    for (int j = 0; j < before; j++)
        if (!apart(view->buf, (size_t)view->len, call->views[j].buf, (size_t)call->views[j].len))
            return 0;
    call->outputs[i] = view->buf;
    return 1;
}

static int run_rows(Call *call, size_t begin, size_t end, int check, double *sums, double *weight_sums)
{
    PyThreadState *state = (end - begin) * call->K >= RELEASED ? PyEval_SaveThread() : NULL;
    const int done =
        lossforge_rows(call->k, begin, end, call->K, check, call->inputs, call->outputs, sums, weight_sums);
    if (state != NULL)
        PyEval_RestoreThread(state);
    return done;
}

static PyObject *not_mine(Call *call)
{
    release(call);
    Py_RETURN_NONE;
}

/* Arguments of the methods below: y, f, sample_weight, out, check_domain, and what comes after. */
static PyObject *evaluate(const Bound *self, PyObject *const *args, size_t begin, size_t end, int whole)
{
    Call call = {.held = 0};
    PyObject *out = args[3], *results[MOST] = {NULL}, *answer = NULL;
    if ((args[4] != Py_True && args[4] != Py_False) || !open_inputs(self, &call, args[0], args[1], args[2]))
        return not_mine(&call);
    const int count = (int)call.k->outputs;
    const int tuple = PyTuple_CheckExact(out);
    if (whole)
        end = call.n;
    if (begin > end || end > call.n
        || (out != Py_None && (tuple ? PyTuple_Size(out) != count : count != 1)))
        return not_mine(&call);
    int plain = 1;
    for (int i = 0; i < count && plain; i++) {
        PyObject *given = tuple ? PyTuple_GetItem(out, i) : out;
        if (given == Py_None)
            given = allocate(self, &call, (int)call.k->axes[i]);
        else
            Py_XINCREF(given);
        if (given == NULL)
            goto failed;
        results[i] = given;
        plain = open_output(self, &call, given, i);
    }
    if (!plain || !run_rows(&call, begin, end, args[4] == Py_True, NULL, NULL)) {
        Py_INCREF(Py_None);
        answer = Py_None;
    } else if (count == 1) {
        answer = results[0];
        results[0] = NULL;
    } else if ((answer = PyTuple_New(count)) != NULL) {
        for (int i = 0; i < count; i++) {
            PyTuple_SetItem(answer, i, results[i]);
            results[i] = NULL;
        }
    }
failed:
    release(&call);
    for (int i = 0; i < count; i++)
        Py_XDECREF(results[i]);
    return answer;
}

static int arguments(Py_ssize_t given, Py_ssize_t wanted)
{
    if (given == wanted)
        return 1;
    PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", wanted, given);
    return 0;
}

static PyObject *bound_run(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (!arguments(count, 6))
        return NULL;
    /* Several threads are Python's work; True is no number of threads. */
    if ((PyObject *)Py_TYPE(args[5]) != (PyObject *)&PyLong_Type || PyLong_AsLong(args[5]) != 1) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return evaluate((const Bound *)self, args, 0, 0, 1);
}

static int range(PyObject *from, PyObject *to, size_t *begin, size_t *end)
{
    *begin = PyLong_Check(from) ? PyLong_AsSize_t(from) : (size_t)-1;
    *end = PyLong_Check(to) ? PyLong_AsSize_t(to) : 0;
    PyErr_Clear();
    return *begin <= *end;
}

static PyObject *bound_part(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    size_t begin, end;
    if (!arguments(count, 7))
        return NULL;
    if (!range(args[5], args[6], &begin, &end))
        Py_RETURN_NONE;
    return evaluate((const Bound *)self, args, begin, end, 0);
}

static PyObject *as_list(const double *numbers, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *number = PyFloat_FromDouble(numbers[i]);
        if (number == NULL || PyList_SetItem(list, (Py_ssize_t)i, number) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* y, f, sample_weight, check_domain, begin, end -> the sums of losses and (or None) of weights over each block. */
static PyObject *bound_sums(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    size_t begin, end;
    if (!arguments(count, 6))
        return NULL;
    Call call = {.held = 0};
    if ((args[3] != Py_True && args[3] != Py_False) || !range(args[4], args[5], &begin, &end)
        || !open_inputs((const Bound *)self, &call, args[0], args[1], args[2]))
        return not_mine(&call);
    const size_t rows = block_rows(call.K), blocks = (end - begin + rows - 1) / rows;
    if (call.k->outputs != 1 || call.k->axes[0] != 0 || end > call.n || begin % rows)
        return not_mine(&call);
    double *sums = malloc(2 * (blocks ? blocks : 1) * sizeof(double)), *weight_sums = sums + blocks;
    if (sums == NULL) {
        release(&call);
        return PyErr_NoMemory();
    }
    PyObject *answer = NULL, *losses = NULL, *weights = NULL;
    if (!run_rows(&call, begin, end, args[3] == Py_True, sums, weight_sums)) {
        Py_INCREF(Py_None);
        answer = Py_None;
    } else if ((losses = as_list(sums, blocks)) != NULL) {
        if (call.weights) {
            weights = as_list(weight_sums, blocks);
        } else {
            Py_INCREF(Py_None);
            weights = Py_None;
        }
        answer = weights == NULL ? NULL : PyTuple_Pack(2, losses, weights);
    }
    free(sums);
    release(&call);
    Py_XDECREF(losses);
    Py_XDECREF(weights);
    return answer;
}

static void bound_dealloc(PyObject *object)
{
    Bound *self = (Bound *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->array);
    Py_XDECREF(self->empty);
    Py_XDECREF(self->dtypes[0]);
    Py_XDECREF(self->dtypes[1]);
    Py_XDECREF(self->keep);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(object);
    Py_DECREF(type);
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))bound_##name, METH_FASTCALL, NULL}

static PyMethodDef bound_methods[] = {METHOD(run), METHOD(part), METHOD(sums), {NULL, NULL, 0, NULL}};

static PyType_Slot bound_slots[] = {
    {Py_tp_dealloc, (void *)bound_dealloc},
    {Py_tp_methods, bound_methods},
    {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "lossforge_bridge.Bound",
    .basicsize = sizeof(Bound),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};

/* bind(four addresses of kernels or 0, target, vector, ndarray, empty, float64, float32, keep) */
static PyObject *bridge_bind(PyObject *module, PyObject *args)
{
    unsigned long long addresses[4];
    int target, vector;
    PyObject *array, *empty, *f64, *f32, *keep;
    if (!PyArg_ParseTuple(
            args, "(KKKK)iiOOOOO", &addresses[0], &addresses[1], &addresses[2], &addresses[3], &target, &vector,
            &array, &empty, &f64, &f32, &keep))
        return NULL;
    PyObject *type = PyObject_GetAttrString(module, "Bound");
    if (type == NULL)
        return NULL;
    allocfunc make = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    Bound *bound = (Bound *)make((PyTypeObject *)type, 0);
    Py_DECREF(type);
    if (bound == NULL)
        return NULL;
    for (int i = 0; i < 4; i++)
        bound->kernels[i] = (const kernel *)(uintptr_t)addresses[i];
    bound->target = target;
    bound->vector = vector;
    Py_INCREF(bound->array = array);
    Py_INCREF(bound->empty = empty);
    Py_INCREF(bound->dtypes[0] = f64);
    Py_INCREF(bound->dtypes[1] = f32);
    Py_INCREF(bound->keep = keep);
    return (PyObject *)bound;
}

static int bridge_exec(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&bound_spec);
    return type == NULL || PyModule_AddObjectRef(module, "Bound", type) < 0 ? (Py_XDECREF(type), -1)
                                                                            : (Py_DECREF(type), 0);
}

static PyMethodDef bridge_methods[] = {{"bind", bridge_bind, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot bridge_slots[] = {{Py_mod_exec, (void *)bridge_exec}, {0, NULL}};

static PyModuleDef bridge_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "lossforge_bridge",
    .m_methods = bridge_methods,
    .m_slots = bridge_slots,
};

PyMODINIT_FUNC PyInit_lossforge_bridge(void)
{
    return PyModuleDef_Init(&bridge_module);
}

#endif
